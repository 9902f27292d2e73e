package proof

import "errors"

// rig is what packets are sent and heard by in a throw-away network namespace.
type rig struct {
	links   *links
	ears    *ears
	devices map[string]*device
}

func newRig() rig { return rig{devices: make(map[string]*device)} }

// open opens the sockets; the devices are each stage's own.
func (r *rig) open() (err error) {
	if r.links, err = openLinks(); err != nil {
		return err
	}
	r.ears, err = openEars()
	return err
}

func (r *rig) close() error {
	var errs []error
	for _, d := range r.devices {
		errs = append(errs, d.close())
	}
	if r.ears != nil {
		errs = append(errs, r.ears.close())
	}
	if r.links != nil {
		errs = append(errs, r.links.close())
	}
	return errors.Join(errs...)
}
