package netcheck

// icmpError is a refused connection together with the ICMP message that said so.
type icmpError struct {
	err error
}

func (e *icmpError) Error() string { return e.err.Error() }
func (e *icmpError) Unwrap() error { return e.err }
func (e *icmpError) words() string { return e.err.Error() }

// remote says that another host sent the message.
func (e *icmpError) remote() bool { return false }
