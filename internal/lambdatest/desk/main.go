// Command desk runs the built function on this machine, with stand-ins for all that it calls, and shows what happens:
//
//	desk -bootstrap .build/bootstrap -event events/sns-employee-left.json
//
// It sends one event to the function, or several in turn, and delivers the messages that the function queues. Then it
// moves the clock to each day for which the function has scheduled a departure. At the end it shows the bind list. The
// exit status is 1 if a departure is not done, and 2 if the function could not be run.
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
)

const firstEvent = "events/sns-employee-left.json"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], newPage(os.Stdout), os.Stderr))
}

func command(ctx context.Context, args []string, out *page, stderr io.Writer) int {
	done := true
	var err error
	if len(args) > 0 && args[0] == "serve" {
		err = serve(ctx, args[1:], out, stderr)
	} else {
		done, err = send(ctx, args, out, stderr)
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

// send sends the event that the flags name to the function.
func send(ctx context.Context, args []string, out *page, stderr io.Writer) (done bool, _ error) {
	flags, o := newFlags("desk", stderr)
	bootstrap := flags.String("bootstrap", ".build/bootstrap", "the function, built for this machine")
	var all []event
	flags.Func("event", "`file` with an event; given several times, they are sent in turn (default "+firstEvent+")",
		func(file string) error {
			one, err := readEvent(file)
			all = append(all, one)
			return err
		})
	if err := parse(flags, args); err != nil {
		return false, err
	}
	if flags.NArg() > 0 {
		return false, fmt.Errorf("desk: unknown argument %q: an event file is named by -event", flags.Arg(0))
	}
	if len(all) == 0 {
		one, err := readEvent(firstEvent)
		if err != nil {
			return false, err
		}
		all = append(all, one)
	}
	return run(ctx, newStandIns(o), *bootstrap, all, out)
}

func readEvent(file string) (event, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		samples, _ := filepath.Glob("events/*.json") // it errs on a bad pattern only
		return event{}, fmt.Errorf("%w; name a file, such as one of these:\n  %s",
			err, strings.Join(samples, "\n  "))
	}
	return newEvent(file, text)
}
