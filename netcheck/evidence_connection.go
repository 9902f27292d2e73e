package netcheck

import (
	"time"

	"sallyport/netcheck/dial"
)

// Connection is how one endpoint was reached, and what it answered over the connection.
type Connection struct {
	Address string        `json:"address"`         // as the endpoint has it
	Local   string        `json:"local,omitempty"` // this host's address and port; empty where none was made
	Proxy   string        `json:"proxy,omitempty"` // the proxy's address, where there is one
	User    string        `json:"proxy_user,omitempty"`
	HTTP    *HTTPEvidence `json:"http,omitempty"` // absent: nothing was asked, or not answered
}

// HTTPEvidence is the head of an answer. Text from the server in it is escaped and bounded.
type HTTPEvidence struct {
	Status   int        `json:"status"`
	Reason   string     `json:"reason,omitempty"`
	Server   string     `json:"server,omitempty"`
	Location string     `json:"location,omitempty"`
	Date     *time.Time `json:"date,omitempty"` // the server's clock
}

// connection is the attempt as the evidence shows it.
func (a *attempt) connection() Connection {
	c := Connection{Address: a.label()}
	if a.local.IsValid() {
		c.Local = a.local.String()
	}
	if a.via != nil {
		c.Proxy, c.User = a.via.used.String(), cleanText(a.via.as.User, maxTextKept)
	}
	if a.answer != nil {
		c.HTTP = describeAnswer(a.answer)
	}
	return c
}

func describeAnswer(a *dial.Answer) *HTTPEvidence {
	e := &HTTPEvidence{
		Status: a.Status, Reason: cleanText(a.Reason, maxTextKept), Server: cleanText(a.Header.Get("Server"), maxTextKept),
		Location: cleanText(a.Header.Get("Location"), maxTextKept),
	}
	if !a.Date.IsZero() {
		e.Date = &a.Date
	}
	return e
}
