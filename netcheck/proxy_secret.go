package netcheck

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// credentials are whom the proxy is to take this check for. A password that it has refused is not sent again: it may be
// that of an account which too many of them lock.
func (v *via) credentials() (dial.Basic, error) {
	if strings.Contains(v.User, ":") {
		return dial.Basic{}, v.unauthorized(errors.New("the user has a colon, which Basic authentication cannot carry"))
	}
	secret, err := readSecret(v.PasswordFile)
	if err != nil {
		return dial.Basic{}, v.unauthorized(err)
	}
	if v.Refused != nil {
		if before, held := v.Refused.ofProxy(v.account()).find(secret); held {
			return dial.Basic{}, v.unauthorized(fmt.Errorf("held back, so as not to lock the account: %s refused this "+
				"password at %s", before.By, before.Since.UTC().Format(time.RFC3339)))
		}
	}
	return dial.Basic{User: v.User, Password: secret.text}, nil
}

func (v *via) unauthorized(err error) error {
	return &opinion{cause: check.ProxyAuth, err: err,
		words: v.name() + " asks for a password, and none was sent: " + cleanText(err.Error(), maxDetail)}
}

// refusedAs is why there is no tunnel for a user. A password that was refused is remembered.
func (v *via) refusedAs(as dial.Basic, err error) error {
	told, ok := errors.AsType[*dial.ProxyError](err)
	if ok && told.Answer.Status == http.StatusProxyAuthRequired && v.Refused != nil {
		v.Refused.ofProxy(v.account()).add(secret{text: as.Password},
			tried{Since: time.Now(), Cause: check.ProxyAuth, By: v.used.String()})
	}
	return v.refused(err)
}

// account is the user under which a refusal is remembered. No DN looks so.
func (v *via) account() string { return "proxy " + v.String() + " " + v.User }
