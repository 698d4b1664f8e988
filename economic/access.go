package economic

import "net/url"

// accessPage is e-conomic's page on which an agreement's super-user grants an app access. It shows
// the grant token (e-conomic.com/developer/connect).
const accessPage = "https://secure.e-conomic.com/secure/api1/requestaccess.aspx"

// AccessURL returns the address at which an agreement's super-user grants the app with this public
// token access, on a page in a locale such as da-DK. It returns "" if the token is "".
func AccessURL(appPublicToken, locale string) string {
	if appPublicToken == "" {
		return ""
	}
	return accessPage + "?appPublicToken=" + url.QueryEscape(appPublicToken) + "&locale=" + url.QueryEscape(locale)
}
