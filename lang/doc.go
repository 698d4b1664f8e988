// Package lang has the languages in which lagerd writes to the owners of shops: in the answers
// to webhook calls, in the instructions for setting webhooks up, and in the mail that they are
// sent. What operators read, the log, and names in data are English.
//
// It decides which language a text is in, and has Danish dates and time. The texts are where they
// are used.
package lang
