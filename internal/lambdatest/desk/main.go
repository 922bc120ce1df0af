// Command desk runs the built function on this machine, between stand-ins for all it calls, and shows a person what
// happens:
//
//	desk -bootstrap .build/bootstrap -event events/sns-employee-left.json
//
// sends one event to it, lets come back what it queues, and ends with what became of the bindings. The exit status is 1
// where something is not done, 2 where it could not be tried.
//
//	desk serve
//
// starts the stand-ins alone, for a function that runs elsewhere on this machine, such as in `sam local`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdin, newPage(os.Stdout), os.Stderr))
}

func command(ctx context.Context, args []string, stdin io.Reader, out *page, stderr io.Writer) int {
	var done bool
	var err error
	if len(args) > 0 && args[0] == "serve" {
		err = serve(ctx, args[1:], out, stderr)
		done = err == nil
	} else {
		done, err = show(ctx, args, stdin, out, stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	case !done:
		return 1
	}
	return 0
}

// options is what both modes have flags for.
type options struct {
	secret form
	faults faults
}

func (o *options) flags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.secret = formObject
	flags.Var(&o.secret, "secret", "form of the secret: `object`, index or bare")
	flags.Var(&o.faults, "fault", "let WeChat's next calls fail, as `WHAT[:TIMES]`; WHAT is an errcode or html, empty,\n"+
		"truncated, oversized, no_errcode, reset; TIMES a number or always; can be given several times")
	return flags
}

func show(ctx context.Context, args []string, stdin io.Reader, out *page, stderr io.Writer) (done bool, _ error) {
	var o options
	flags := o.flags("desk", stderr)
	bootstrap := flags.String("bootstrap", ".build/bootstrap", "the function, built for this machine")
	file := flags.String("event", "events/sns-employee-left.json", "`file` with the event, - for standard input")
	timeout := flags.Duration("timeout", 10*time.Second, "time the function has for one event")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() > 0 {
		return false, fmt.Errorf("desk: what is %q? An event file is named by -event; `desk serve` has no flags before it", flags.Arg(0))
	}
	event, err := readEvent(*file, stdin)
	if err != nil {
		return false, err
	}
	return run(ctx, newStage(o), *bootstrap, *timeout, event, out)
}

func readEvent(file string, stdin io.Reader) (event, error) {
	if file == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return event{}, fmt.Errorf("desk: standard input: %w", err)
		}
		return parseEvent("standard input", text)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		samples, _ := filepath.Glob("events/*.json") // it errs on a bad pattern only
		if len(samples) == 0 {
			return event{}, fmt.Errorf("desk: the event: %w; name a file by -event", err)
		}
		return event{}, fmt.Errorf("desk: the event: %w; these are there:\n  %s", err, strings.Join(samples, "\n  "))
	}
	return parseEvent(file, text)
}
