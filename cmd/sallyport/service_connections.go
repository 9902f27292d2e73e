package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall/kernel/sockets"
	"sallyport/netcheck/service"
)

// usualPorts are the remote ports of a service that are looked at whatever is checked: HTTPS, LDAPS, the global catalog's,
// and those of the same protocols without encryption.
func usualPorts() []uint16 { return []uint16{443, 636, 3269, 389, 3268, 80} }

// servicePorts are the remote ports of the service that are looked at.
func servicePorts(conf *config.Config) []uint16 {
	ports := usualPorts()
	for _, t := range serviceTargets(conf.Checks) {
		ports = append(ports, t.Port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// ways are how a user's connections can be listed.
type ways []func(uid uint32, ports []uint16) ([]sockets.Connection, int, error)

// byNetlink lists them by sock_diag, and by proc where that may not be used.
func byNetlink(ctx context.Context) ways {
	return ways{func(uid uint32, ports []uint16) ([]sockets.Connection, int, error) {
		return sockets.Connections(ctx, uid, ports)
	}, sockets.ConnectionsFromProc}
}

// connectionsOf lists the connections of the service that a configuration names, in the first of the ways that works.
func connectionsOf(conf *config.Config, how ways) (control.Connections, error) {
	if conf == nil || conf.Service == nil {
		return control.Connections{}, errors.New("the configuration has no service")
	}
	uid, err := uidOf(conf.Service.User)
	if err != nil {
		return control.Connections{NoUser: "service.user: " + err.Error()}, nil
	}
	var errs []error
	for _, way := range how {
		list, total, err := way(uid, servicePorts(conf))
		if err == nil {
			return control.Connections{UID: uid, List: connectionsTold(list), Total: total}, nil
		}
		errs = append(errs, err)
	}
	return control.Connections{}, errors.Join(errs...)
}

func connectionsTold(list []sockets.Connection) []control.Connection {
	told := make([]control.Connection, 0, len(list))
	for _, c := range list {
		t := control.Connection{
			Local: c.Local, Remote: c.Remote, State: uint8(c.State), ID: c.ID, Timer: uint8(c.Timer),
			Retransmits: c.Retransmits, Expires: c.Expires, RTO: c.RTO,
			ReceiveQueue: c.ReceiveQueue, SendQueue: c.SendQueue,
		}
		if c.Info != nil {
			t.RTT, t.TotalRetransmits = c.Info.RTT, c.Info.TotalRetransmits
		}
		told = append(told, t)
	}
	return told
}

// sampleOf is what was told, for the check.
func sampleOf(told control.Connections) (service.Sample, error) {
	if told.NoUser != "" {
		return service.Sample{}, fmt.Errorf("%w: %s", service.ErrNoUser, told.NoUser)
	}
	states := map[uint8]service.State{
		uint8(sockets.Established): service.Established, uint8(sockets.SynSent): service.SynSent,
		uint8(sockets.FinWait1): service.FinWait1, uint8(sockets.FinWait2): service.FinWait2,
		uint8(sockets.CloseWait): service.CloseWait, uint8(sockets.LastAck): service.LastAck,
		uint8(sockets.Closing): service.Closing,
	}
	timers := map[uint8]service.Waits{
		uint8(sockets.TimerRetransmit): service.WaitsForAck, uint8(sockets.TimerProbe): service.WaitsForWindow,
	}
	sample := service.Sample{UID: told.UID, Total: told.Total}
	for _, c := range told.List {
		sample.Connections = append(sample.Connections, service.Connection{
			Local: c.Local, Remote: c.Remote, State: states[c.State], ID: c.ID, Waits: timers[c.Timer],
			Retransmits: c.Retransmits, Expires: c.Expires, RTO: c.RTO,
			ReceiveQueue: c.ReceiveQueue, SendQueue: c.SendQueue, RTT: c.RTT, TotalRetransmits: c.TotalRetransmits,
		})
	}
	return sample, nil
}

// connections tells the prober of the connections of the guard's own configuration's service: who asks does not say whose.
func (p *guardProcess) connections(ctx context.Context, _ json.RawMessage) (any, error) {
	return connectionsOf(p.conf.Load(), byNetlink(ctx)[:1])
}

// connectionsHere lists the connections in this process.
func connectionsHere(conf *config.Config) func(context.Context) (service.Sample, error) {
	return func(ctx context.Context) (service.Sample, error) {
		told, err := connectionsOf(conf, byNetlink(ctx))
		if err != nil {
			return service.Sample{}, err
		}
		return sampleOf(told)
	}
}

// connectionsGuarded asks the guard, which may use netlink; where none answers, or it has another configuration, proc is
// read, which the prober may.
func connectionsGuarded(conf *config.Config, socket string) func(context.Context) (service.Sample, error) {
	return func(ctx context.Context) (service.Sample, error) {
		var told control.Connections
		err := control.Call(ctx, socket, control.VerbConnections, nil, &told)
		if ctx.Err() != nil {
			return service.Sample{}, context.Cause(ctx)
		}
		uid, unknown := uidOf(conf.Service.User)
		if err != nil || unknown != nil || uid != told.UID {
			if told, err = connectionsOf(conf, ways{sockets.ConnectionsFromProc}); err != nil {
				return service.Sample{}, err
			}
		}
		return sampleOf(told)
	}
}
