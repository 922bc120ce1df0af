package main

import (
	"strings"
	"testing"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// BenchmarkSNS measures an SNS event from outside: with a process started for it (cold), and by one that runs already (warm).
// The stand-ins answer at once, so what is left is the function's own.
func BenchmarkSNS(b *testing.B) {
	event := []byte(bareSNS(b))
	start := func(b *testing.B) *lambdatest.Function {
		b.Helper()
		function, err := lambdatest.Start(lambdatest.Config{Path: bootstrap, Env: newFixture(b, wedatatest.Options{}).env})
		if err != nil {
			b.Fatal(err)
		}
		return function
	}
	invoke := func(b *testing.B, function *lambdatest.Function) {
		b.Helper()
		if reply, err := function.Invoke(b.Context(), event); err != nil || reply.Err() != nil {
			b.Fatal(err, reply.Err())
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			function := start(b)
			invoke(b, function)
			_ = function.Close()
		}
	})
	b.Run("warm", func(b *testing.B) {
		function := start(b)
		defer function.Close()
		invoke(b, function)
		for b.Loop() {
			invoke(b, function)
		}
	})
}

// BenchmarkRefusedRequest measures what a webhook without a valid signature costs: each request of a flood.
func BenchmarkRefusedRequest(b *testing.B) {
	w := newFixture(b, wedatatest.Options{})
	w.putSources(b)
	function, err := lambdatest.Start(lambdatest.Config{Path: bootstrap, Env: w.env})
	if err != nil {
		b.Fatal(err)
	}
	defer function.Close()
	event := []byte(sample(b, "http-hook-unsigned.json"))
	invoke := func() {
		reply, err := function.Invoke(b.Context(), event)
		if err != nil || !strings.Contains(string(reply.Payload), `"statusCode":401`) {
			b.Fatal(string(reply.Payload), err)
		}
	}
	invoke()
	for b.Loop() {
		invoke()
	}
}
