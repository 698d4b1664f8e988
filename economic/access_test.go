package economic_test

import (
	"testing"

	"lagerd/economic"
)

func TestAccessURL(t *testing.T) {
	t.Parallel()
	const page = "https://secure.e-conomic.com/secure/api1/requestaccess.aspx?appPublicToken="
	for token, want := range map[string]string{
		"": "", "Sb7kPq2xWz94LmTn": page + "Sb7kPq2xWz94LmTn&locale=da-DK", "a+b/c=": page + "a%2Bb%2Fc%3D&locale=da-DK",
	} {
		if got := economic.AccessURL(token, "da-DK"); got != want {
			t.Errorf("%q: %s, expected %s", token, got, want)
		}
	}
}
