// Package mailtest is a mail server for tests: it speaks enough SMTP to take mail, with STARTTLS,
// and keeps it. Only tests import it.
package mailtest
