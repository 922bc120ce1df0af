package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"wedata-unbind/internal/lambdatest"
)

// serve keeps the stand-ins running until ctx ends, and shows every call.
func serve(ctx context.Context, args []string, out *page, stderr io.Writer) error {
	var o options
	flags := o.flags("desk serve", stderr)
	listen := flags.String("listen", "0.0.0.0:8787", "`address` of the stand-ins; a container cannot reach loopback")
	host := flags.String("host", "host.docker.internal", "`name` by which the function reaches this machine")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := newStage(o)
	out.hidden = s.tokens
	n := 0
	s.calls.done = func(c *call) { // one at a time, under the recorder's lock
		n++
		out.call(n, *c)
		s.calls.calls = nil
	}
	server, err := lambdatest.Serve(*listen, s)
	if err != nil {
		return err
	}
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		return err
	}
	env, err := json.MarshalIndent(map[string]any{"Parameters": s.env("http://" + net.JoinHostPort(*host, port))}, "  ", "  ")
	if err != nil {
		return err
	}
	out.heading("Stand-ins for WeChat, Secrets Manager and SQS on %s, until interrupted", server.Addr)
	out.item("", "The function needs this environment, written as sam local's --env-vars wants it:")
	fmt.Fprintf(out.w, "  %s\n", env)
	out.secret(s)
	out.bindings("Bind list", s.bindings(), s.merchants)
	out.heading("Calls")
	<-ctx.Done()
	s.calls.hush()
	out.bindings("Bind list at the end", s.bindings(), s.merchants)
	return nil
}
