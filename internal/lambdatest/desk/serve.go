package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"wedata-unbind/internal/lambdatest"
)

// serve runs the stand-ins until ctx ends, and shows every call.
func serve(ctx context.Context, args []string, out *page, stderr io.Writer) error {
	flags, o := newFlags("desk serve", stderr)
	listen := flags.String("listen", "0.0.0.0:8787", "`address` of the stand-ins; a container cannot reach loopback")
	if err := parse(flags, args); err != nil {
		return err
	}
	s := newStandIns(o)
	out.hidden = token
	n := 0
	s.calls.ended = func(c call) { // one at a time: the recorder holds its lock
		n++
		out.call(n, c)
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
	env, err := json.MarshalIndent(map[string]any{"Parameters": s.env("http://host.docker.internal:" + port)}, "  ", "  ")
	if err != nil {
		return err
	}
	out.heading("Stand-ins for WeChat, Secrets Manager, SQS and EventBridge Scheduler on %s, until interrupted", server.Addr)
	out.item("", "The function needs this environment, written as sam local's --env-vars wants it:")
	fmt.Fprintf(out.w, "  %s\n", env)
	out.item("secret   ", secretID+" is "+s.secret)
	out.bindings("Bind list", s.wechat.Bindings(merchant))
	out.heading("Calls")
	<-ctx.Done()
	s.calls.stop()
	out.bindings("Bind list at the end", s.wechat.Bindings(merchant))
	return nil
}
