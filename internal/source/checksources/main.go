// Command checksources reads a sources' secret from a file before it is written to Secrets Manager. It prints every fault
// or, of one source and a sample body, decrypted as its vendor documents it, what would become of that body.
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
	file := flags.String("file", "", "the `file` with the secret's text")
	name := flags.String("source", "", "the `name` of one of its sources")
	body := flags.String("body", "", "a `file` with a body as that source sends it, decrypted")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file == "" || (*name == "") != (*body == "") {
		return errors.New("usage: make check-sources FILE=sources.json [SOURCE=name BODY=body.json]")
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	zone := time.FixedZone("+08:00", 8*60*60) // the default of UNBIND_UTC_OFFSET
	book := source.New(source.Config{
		Secrets: desk(text), SecretID: *file, Decoder: departure.Decoder{Zone: zone},
	})
	var faulty *source.FaultsError
	if err := book.Check(context.Background()); errors.As(err, &faulty) {
		for _, fault := range faulty.Faults {
			fmt.Fprintln(out, fault)
		}
		return errFaulty
	} else if err != nil {
		return err
	}
	if *name == "" {
		fmt.Fprintln(out, "no faults")
		return nil
	}
	payload, err := os.ReadFile(*body)
	if err != nil {
		return err
	}
	if entries, err := strictjson.ParseObject(text); err != nil || entries[*name] == nil {
		return fmt.Errorf("no source %s in %s", *name, *file)
	}
	if members, err := strictjson.ParseObject(payload); err == nil && members["encrypt"] != nil {
		return fmt.Errorf("%s is encrypted: take the body as it was before, from the vendor's documentation or log", *body)
	}
	events, err := book.Read(context.Background(), *name, payload, departure.Meta{Source: *name})
	if err != nil {
		return err
	}
	failed := false
	for _, event := range events {
		fmt.Fprintln(out, describe(event))
		failed = failed || event.Status == departure.Failed
	}
	if failed {
		return errors.New("such an event goes to the dead-letter queue: mend the entry, or look whether the body is whole")
	}
	return nil
}

// describe shows whole uids: this is the desk of whoever configures the source, and what they want to see.
func describe(event departure.Event) string {
	uid := strings.Join(event.UIDs, ",")
	switch {
	case event.Status == departure.Unknown:
		return fmt.Sprintf("unknown: %s uid=%s", event.Detail, uid)
	case event.Status != "":
		return fmt.Sprintf("%s: %s", event.Status, event.Detail)
	}
	line := "departure uid=" + uid
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

// desk is a secret that lies in a file.
type desk string

func (d desk) Get(_ context.Context, id string) (secrets.Secret, error) {
	return secrets.Secret{ID: id, Value: string(d)}, nil
}

func (d desk) Renew(ctx context.Context, seen secrets.Secret) (secrets.Secret, error) {
	return d.Get(ctx, seen.ID)
}
