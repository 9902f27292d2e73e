package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jimlambrt/gldap"
)

// connectionLife bounds a connection to the embedded directory: gldap waits, when it stops, for those that never said
// anything.
const connectionLife = 2 * time.Second

// embeddedDirectory is an LDAPS server of this process: simple bind, and searches with the filters that match knows.
type embeddedDirectory struct {
	node        *Node
	entries     []entry
	certificate atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	bound map[int]bool     // by connection: authenticated as somebody
	open  map[net.Conn]any // connections that have begun to speak TLS
	stop  func() error     // ends the server that runs; nil: none does
}

func newEmbeddedDirectory(n *Node) *embeddedDirectory {
	return &embeddedDirectory{node: n, entries: people(), bound: make(map[int]bool), open: make(map[net.Conn]any)}
}

func (d *embeddedDirectory) Program() string { return "embedded" }

func (d *embeddedDirectory) Present(_ context.Context, certificate Certificate) error {
	return swap(&d.certificate, certificate)
}

func (d *embeddedDirectory) Start(ctx context.Context) error {
	accepts := &acceptLog{Logger: hclog.NewNullLogger()}
	server, err := gldap.NewServer(gldap.WithLogger(accepts), gldap.WithReadTimeout(connectionLife),
		gldap.WithWriteTimeout(connectionLife), gldap.WithOnClose(d.forget))
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	mux, err := gldap.NewMux()
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	if err := errors.Join(mux.Bind(d.bind), mux.Search(d.search), server.Router(mux)); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	configuration := presenting(&d.certificate)
	configuration.GetConfigForClient = d.track
	ended := make(chan error, 1)
	d.mu.Lock()
	d.stop = func() error { return errors.Join(d.end(server, accepts), <-ended) }
	d.mu.Unlock()
	go func() {
		// gldap makes its listener itself, on the thread that calls Run.
		ended <- d.node.Inside(func() error { return server.Run(":636", gldap.WithTLSConfig(configuration)) })
	}()
	return Until(ctx, "embedded directory", func() error { return d.answers(ctx) })
}

func (d *embeddedDirectory) answers(ctx context.Context) error {
	conn, err := d.node.Dial(ctx, "tcp", d.node.Address("ip4", 636))
	if err != nil {
		return err
	}
	return conn.Close()
}

// Stop closes the port and every connection.
func (d *embeddedDirectory) Stop() error {
	d.mu.Lock()
	stop := d.stop
	d.stop = nil
	for conn := range d.open {
		_ = conn.Close() // closed twice at worst
	}
	clear(d.open)
	d.mu.Unlock()
	if stop == nil {
		return nil
	}
	return stop()
}

// end has the server stopped by the goroutine that accepts, at a connection made for that: gldap counts a connection that
// it accepts in a WaitGroup for which Stop waits at the same time, which is a race. A server that takes no connection has
// none.
func (d *embeddedDirectory) end(server *gldap.Server, accepts *acceptLog) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectionLife)
	defer cancel()
	stopped := make(chan error, 1)
	stop := new(func() { stopped <- server.Stop() })
	accepts.next.Store(stop)
	conn, err := d.node.Dial(ctx, "tcp", d.node.Address("ip4", 636))
	if err == nil {
		defer func() { _ = conn.Close() }() // nothing was written
	} else if accepts.next.CompareAndSwap(stop, nil) { // else it was stopped at a connection made before
		return server.Stop()
	}
	return <-stopped
}

// acceptLog is a log of gldap's that keeps nothing, and does something once where it would say that a connection was
// accepted.
type acceptLog struct {
	hclog.Logger

	next atomic.Pointer[func()]
}

// Debug is called by the goroutine that accepts, after each connection and before it is counted.
func (l *acceptLog) Debug(message string, _ ...any) {
	if message != "new connection accepted" {
		return
	}
	if next := l.next.Swap(nil); next != nil {
		(*next)()
	}
}

// track remembers the connection below TLS, so that Stop can end it.
func (d *embeddedDirectory) track(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[hello.Conn] = nil
	return nil, nil // go on with the server's own configuration
}

func (d *embeddedDirectory) forget(connection int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.bound, connection)
}

func (d *embeddedDirectory) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	response := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { _ = w.Write(response) }() // a client that is gone misses it
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	known := strings.EqualFold(m.UserName, BindDN) && string(m.Password) == Password
	anonymous := m.UserName == "" && m.Password == ""
	if !known && !anonymous {
		return
	}
	d.mu.Lock()
	d.bound[r.ConnectionID()] = known
	d.mu.Unlock()
	response.SetResultCode(gldap.ResultSuccess)
}

func (d *embeddedDirectory) search(w *gldap.ResponseWriter, r *gldap.Request) {
	response := r.NewSearchDoneResponse()
	defer func() { _ = w.Write(response) }() // a client that is gone misses it
	m, err := r.GetSearchMessage()
	if err != nil {
		response.SetResultCode(gldap.ResultProtocolError)
		return
	}
	found, code := d.find(m, r.ConnectionID())
	response.SetResultCode(code)
	for _, e := range found {
		out := r.NewSearchResponseEntry(e.dn)
		for _, a := range e.attributes {
			if wanted(m.Attributes, a.name) {
				out.AddAttribute(a.name, a.values)
			}
		}
		if err := w.Write(out); err != nil {
			return
		}
	}
}

// find is what a search finds, within the client's size limit, and the result code.
func (d *embeddedDirectory) find(m *gldap.SearchMessage, connection int) ([]entry, int) {
	if m.BaseDN == "" && m.Scope == gldap.BaseObject {
		return []entry{rootDSE()}, gldap.ResultSuccess
	}
	d.mu.Lock()
	bound := d.bound[connection]
	d.mu.Unlock()
	if !bound {
		return nil, gldap.ResultInsufficientAccessRights
	}
	same := func(e entry) bool { return strings.EqualFold(e.dn, m.BaseDN) }
	if !slices.ContainsFunc(d.entries, same) {
		return nil, gldap.ResultNoSuchObject
	}
	var found []entry
	for _, e := range d.entries {
		if !within(e.dn, m.BaseDN, m.Scope) || !match(m.Filter, e) {
			continue
		}
		if m.SizeLimit > 0 && int64(len(found)) == m.SizeLimit {
			return found, gldap.ResultSizeLimitExceeded
		}
		found = append(found, e)
	}
	return found, gldap.ResultSuccess
}

// rootDSE is what the server says of itself (RFC 4512 section 5.1).
func rootDSE() entry {
	return entry{"", []attribute{
		{"objectClass", []string{"top"}}, {"namingContexts", []string{BaseDN}}, {"supportedLDAPVersion", []string{"3"}},
		{"vendorName", []string{"Sallyport lab"}},
	}}
}

func within(dn, base string, scope gldap.Scope) bool {
	dn, base = strings.ToLower(dn), strings.ToLower(base)
	switch scope {
	case gldap.BaseObject:
		return dn == base
	case gldap.SingleLevel:
		_, parent, _ := strings.Cut(dn, ",")
		return parent == base
	default:
		return dn == base || strings.HasSuffix(dn, ","+base)
	}
}

// match evaluates one filter item, presence or equality (RFC 4515), with no Boolean operators round it: what does not
// read so matches nothing.
func match(filter string, e entry) bool {
	name, value, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(filter, "("), ")"), "=")
	if !ok || strings.ContainsAny(name, "&|!(") {
		return false
	}
	return slices.ContainsFunc(e.values(name), func(v string) bool { return value == "*" || strings.EqualFold(v, value) })
}

// wanted says whether the client asks for the attribute (RFC 4511 section 4.5.1.8). A password is never told.
func wanted(asked []string, name string) bool {
	if strings.EqualFold(name, "userPassword") {
		return false
	}
	return len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool {
		return a == "*" || a == "+" || strings.EqualFold(a, name)
	})
}
