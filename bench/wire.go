package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a listener whose connections have a distance. Bytes arrive half a round trip after they were sent. The
// kernel of this machine connects at once, so what is sent in the first round trip leaves at its end, as if the
// connection had taken that long. TLS runs on top, and its handshake pays as on a real wire.
type wire struct {
	net.Listener
	rtt time.Duration

	mu    sync.Mutex
	conns map[*distant]struct{}
}

// Accept implements [net.Listener]. It returns the near end of a pipe; the far end is the connection.
func (w *wire) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil || w.rtt == 0 {
		return conn, err
	}
	near, far := net.Pipe()
	d := &distant{Conn: conn, pipe: far}
	w.mu.Lock()
	w.conns[d] = struct{}{}
	w.mu.Unlock()
	opened := time.Now().Add(w.rtt)
	go func() {
		d.carry(conn, far, opened, w.rtt/2)
		w.mu.Lock()
		delete(w.conns, d)
		w.mu.Unlock()
	}()
	go d.carry(far, conn, opened, w.rtt/2)
	return near, nil
}

// die lets all connections die unseen, as a NAT gateway forgets them: nothing comes back any more, and the next byte
// that the client sends is answered by a reset.
func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.conns {
		d.dead.Store(true)
		_ = d.pipe.Close()
	}
}

// distant is a connection of a wire.
type distant struct {
	net.Conn
	pipe net.Conn
	dead atomic.Bool
}

type packet struct {
	data []byte
	due  time.Time
}

// carry takes bytes from one end to the other until one of them is closed.
func (d *distant) carry(from, to net.Conn, opened time.Time, delay time.Duration) {
	way := make(chan packet, 1<<12)
	go func() {
		for p := range way {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		if !d.dead.Load() {
			_, _ = from.Close(), to.Close()
		}
		for range way { // the reader must not wait for ever
		}
	}()
	defer close(way)
	for buffer := make([]byte, 64<<10); ; {
		n, err := from.Read(buffer)
		if d.dead.Load() {
			if tcp, ok := from.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset
				_ = tcp.Close()
			}
			return
		}
		if n > 0 {
			sent := time.Now()
			if sent.Before(opened) {
				sent = opened
			}
			way <- packet{append([]byte(nil), buffer[:n]...), sent.Add(delay)}
		}
		if err != nil {
			return
		}
	}
}
