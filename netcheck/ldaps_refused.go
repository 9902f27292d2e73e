package netcheck

import (
	"context"
	"sync"
	"time"

	"sallyport/netcheck/memory"
)

// RefusedSecrets remembers which passwords directories have refused, so that none is tried twice: a monitor must never
// lock an account. A password that has never succeeded is written down before it is sent, and no other process sends one
// for the same user at that time; so however a process ends, and however many there are, a wrong password costs one try.
// No password is written: of one that was tried or refused there is a slow, salted digest, of one that succeeded nothing
// but when its file was last changed.
//
// One value may serve several checks, which then spare an account that they share. The zero value forgets with the process.
// It is safe for concurrent use.
type RefusedSecrets struct {
	folder memory.Folder

	mu       sync.Mutex
	accounts map[string]*account // by user
}

// NewRefusedSecrets remembers in a folder what other processes are to know too. Where nothing can be written there, no
// password is sent that has not succeeded before.
func NewRefusedSecrets(folder memory.Folder) *RefusedSecrets { return &RefusedSecrets{folder: folder} }

// of is what is known of a user's passwords.
func (s *RefusedSecrets) of(bindDN string) *account { return s.account(sameDN(bindDN), s.folder) }

// ofProxy is what is known of the passwords of a user of a proxy, which often asks a directory about them. No DN is spelled
// as their users are.
func (s *RefusedSecrets) ofProxy(p Proxy) *account {
	return s.account("proxy "+p.String()+" "+p.User, s.folder)
}

func (s *RefusedSecrets) account(user string, folder memory.Folder) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts == nil {
		s.accounts = map[string]*account{}
	}
	if s.accounts[user] == nil {
		s.accounts[user] = newAccount(user, folder)
	}
	return s.accounts[user]
}

// Release forgets what was refused to a user, at all directories, so that its password is tried once more: an operator
// has mended the account. The error is that of the context, or names what mends it.
func (s *RefusedSecrets) Release(ctx context.Context, bindDN string) error {
	return s.of(bindDN).forget(ctx)
}

// ReleaseProxy is Release for the user of a proxy.
func (s *RefusedSecrets) ReleaseProxy(ctx context.Context, p Proxy) error {
	return s.ofProxy(p).forget(ctx)
}

// forget forgets what was tried.
func (a *account) forget(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !a.file.Folder.Kept() {
		return a.save(book{User: a.book.User})
	}
	release, err := a.file.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return a.save(book{User: a.book.User})
}

// holds says whether a password is known to be held back at all addresses of a directory. It waits for nobody: where
// another run is about to find out, it is not known yet.
func (a *account) holds(at string, s secret) bool {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	default:
		return false
	}
	if a.recall() != nil {
		return false
	}
	_, held := a.book.held(at, "", a.is(s), time.Now())
	return held
}
