// Package tlsprobetest issues certificates on the spot, good ones and every kind of bad one, for tests of what judges or
// shows them. Only tests import it.
package tlsprobetest
