// Package browser tries lagerd's page in headless Chromium, as people use it: on a desktop and on a
// phone, and with axe-core, which finds what keeps people from using a page. `make browser-test`
// installs both and runs it; without them it skips itself.
package browser
