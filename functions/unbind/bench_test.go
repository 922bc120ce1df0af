package main

import (
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
