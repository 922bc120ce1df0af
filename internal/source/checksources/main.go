// Command checksources checks a file before it becomes the sources' secret. It prints every fault. With a sample body
// of one source it prints the departures in it. The body must be decrypted, as in the vendor's documentation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "check-sources:", err)
		os.Exit(1)
	}
}

var errFaulty = errors.New("the sources are faulty")

func run(ctx context.Context, args []string, out io.Writer, now time.Time) error {
	flags := flag.NewFlagSet("check-sources", flag.ContinueOnError)
	path := flags.String("file", "", "the `file` with the secret's text")
	name := flags.String("source", "", "the `name` of one of its sources")
	bodyPath := flags.String("body", "", "a `file` with a body as that source sends it, decrypted")
	peoplePath := flags.String("people", "", "a `file` with the people, in the place of each secret that people names")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *path == "" || (*name == "") != (*bodyPath == "") {
		return errors.New(
			"usage: make check-sources FILE=sources.json [SOURCE=name BODY=body.json] [PEOPLE=people.json]")
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		return err
	}
	people := []byte("{}")
	if *peoplePath != "" {
		if people, err = os.ReadFile(*peoplePath); err != nil {
			return err
		}
	}
	decoder := departure.Decoder{Zone: time.FixedZone("+08:00", 8*60*60)} // the default of UNBIND_UTC_OFFSET
	registry := source.New(source.Config{
		Secrets: files{*path: string(text), anyPeople: string(people)}, SecretID: *path, Decoder: decoder,
	})
	var faulty *source.FaultsError
	switch err := registry.Check(ctx); {
	case errors.As(err, &faulty):
		fmt.Fprintln(out, strings.Join(faulty.Faults, "\n"))
		return errFaulty
	case err != nil:
		return err
	case *name == "":
		fmt.Fprintln(out, "no faults")
		return nil
	}
	if entries, err := strictjson.ParseObject(text); err != nil || !entries.Has(*name) {
		return fmt.Errorf("no source %s in %s", *name, *path)
	}
	body, err := os.ReadFile(*bodyPath)
	if err != nil {
		return err
	}
	if members, err := strictjson.ParseObject(body); err == nil && members.Has("encrypt") {
		return fmt.Errorf("%s is encrypted: take it decrypted from the vendor's documentation or log", *bodyPath)
	}
	events, err := registry.Read(ctx, *name, body, departure.Meta{Source: *name})
	for _, event := range events {
		fmt.Fprintln(out, describe(event, now))
		if event.Status == departure.Failed {
			err = errors.New("such an event goes to the dead-letter queue: correct the entry, or complete the body")
		}
	}
	return err
}

// describe returns a line about an event. It shows whole uids: the person who writes the entry must see them.
func describe(event departure.Event, now time.Time) string {
	who := strings.Join(event.UIDs, ", ")
	switch {
	case event.Status == departure.Unknown:
		return fmt.Sprintf("unknown: %s: %s", who, event.Detail)
	case event.Status != "":
		return fmt.Sprintf("%s: %s", event.Status, event.Detail)
	case len(event.Merchants) > 0:
		who += " of " + strings.Join(event.Merchants, ", ")
	default:
		who += " of every merchant"
	}
	switch at := event.EffectiveAt; {
	case event.Type == departure.TypeCancelled:
		return "cancelled: the departure of " + who
	case at.After(now):
		return "departure: " + who + ", will wait until " + at.Format(time.RFC3339)
	case !at.IsZero():
		return "departure: " + who + ", at once (due since " + at.Format(time.RFC3339) + ")"
	}
	return "departure: " + who + ", at once"
}

// files has the texts of files by the names of the secrets for which they stand.
type files map[string]string

// anyPeople stands for each secret with people.
const anyPeople = ""

// Get returns the file's text.
func (f files) Get(_ context.Context, id string) (secrets.Secret, error) {
	text, ok := f[id]
	if !ok {
		text = f[anyPeople]
	}
	return secrets.Secret{ID: id, Value: text}, nil
}

// Renew returns the file's text too: it does not change.
func (f files) Renew(_ context.Context, seen secrets.Secret) (secrets.Secret, error) {
	return seen, nil
}
