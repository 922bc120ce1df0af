// Command checksources checks a file before it is written to Secrets Manager as the sources' secret. It prints every fault,
// or what would become of a sample body of one source. The body must be decrypted, as in the vendor's documentation.
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
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "check-sources:", err)
		os.Exit(1)
	}
}

var errFaulty = errors.New("the sources are faulty")

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("check-sources", flag.ContinueOnError)
	path := flags.String("file", "", "the `file` with the secret's text")
	name := flags.String("source", "", "the `name` of one of its sources")
	bodyPath := flags.String("body", "", "a `file` with a body as that source sends it, decrypted")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *path == "" || (*name == "") != (*bodyPath == "") {
		return errors.New("usage: make check-sources FILE=sources.json [SOURCE=name BODY=body.json]")
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		return err
	}
	registry := source.New(source.Config{
		Secrets: file(text), SecretID: *path,
		Decoder: departure.Decoder{Zone: time.FixedZone("+08:00", 8*60*60)}, // the default of UNBIND_UTC_OFFSET
	})
	var faulty *source.FaultsError
	switch err := registry.Check(context.Background()); {
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
		return fmt.Errorf("%s is encrypted: take the body as it was before, from the vendor's documentation or log", *bodyPath)
	}
	events, err := registry.Read(context.Background(), *name, body, departure.Meta{Source: *name})
	for _, event := range events {
		fmt.Fprintln(out, describe(event))
		if event.Status == departure.Failed {
			err = errors.New("such an event goes to the dead-letter queue: correct the entry, or check that the body is complete")
		}
	}
	return err
}

// describe shows whole uids, since the person who writes the entry has to see them.
func describe(event departure.Event) string {
	uid := "uid=" + strings.Join(event.UIDs, ",")
	switch {
	case event.Status == departure.Unknown:
		return fmt.Sprintf("unknown: %s %s", event.Detail, uid)
	case event.Status != "":
		return fmt.Sprintf("%s: %s", event.Status, event.Detail)
	}
	line := "departure " + uid
	if len(event.Merchants) > 0 {
		line += " merchant=" + strings.Join(event.Merchants, ",")
	}
	switch {
	case event.Type == departure.TypeCancelled:
		return "cancelled " + line
	case event.EffectiveAt.IsZero():
		return line + " effective=now"
	}
	return line + " effective=" + event.EffectiveAt.Format(time.RFC3339)
}

// file is the text of a file that is read as the secret.
type file string

// Get returns the file's text.
func (f file) Get(_ context.Context, id string) (secrets.Secret, error) {
	return secrets.Secret{ID: id, Value: string(f)}, nil
}

// Renew returns the file's text too: it does not change.
func (f file) Renew(_ context.Context, seen secrets.Secret) (secrets.Secret, error) { return seen, nil }
