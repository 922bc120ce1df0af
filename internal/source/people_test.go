package source

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
)

// shelf is a Secrets Manager with several secrets. One that is missing or empty is an error.
type shelf struct {
	values map[string]string
	reads  map[string]int
}

func (s *shelf) GetSecretValue(
	_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	s.reads[*in.SecretId]++
	value := s.values[*in.SecretId]
	if value == "" {
		return nil, &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: &value, VersionId: &value}, nil
}

// People may be in secrets of their own. Somebody who is not found there is looked up once more in what is read anew,
// once a minute, and is then told as unmapped.
func TestPeopleAreFoundInSecretsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{reads: map[string]int{}, values: map[string]string{
			"sources":  `{"left":{"left_when":{"left":[true]},"uid":"id","people":{"secret_ids":["people-1","people-2"]}}}`,
			"people-1": `{"1":"E1001","2":"E1002"}`, "people-2": `{"3":"E1003"}`,
		}}
		reg := New(Config{Secrets: secrets.New(s, secrets.Config{Hold: time.Minute}), SecretID: "sources"})
		read := func(payload string) string {
			events, err := reg.Read(t.Context(), "left", []byte(payload), envelope)
			if err != nil {
				return "error " + strings.TrimPrefix(err.Error(), "source: ")
			}
			return tell(events)
		}
		for _, step := range []struct {
			name, payload, want string
			before              func()
			reads               string // of the two secrets
		}{
			{"somebody else's event", `{"id":"9"}`, "ignored: left is missing, wanted true", nil, "0 0"},
			{"in the first", `{"left":true,"id":"1"}`, "left E1001", nil, "1 1"},
			{"in the second", `{"left":true,"id":3}`, "left E1003", nil, "1 1"},
			{"in none", `{"left":true,"id":["1","4"]}`, "left E1001; unknown: not in people 4", nil, "2 2"},
			{"added, but within the minute", `{"left":true,"id":"4"}`, "unknown: not in people 4", func() {
				s.values["people-2"] = `{"3":"E1003","4":"E1004"}`
			}, "2 2"},
			{"added, after the minute", `{"left":true,"id":"4"}`, "left E1004", func() { time.Sleep(time.Minute) }, "3 3"},
			{"a table that is none", `{"left":true,"id":"4"}`, "error sources.left.people: the secret people-1: " + wantTable, func() {
				s.values["people-1"] = `{"1":""}`
				time.Sleep(10 * time.Minute)
			}, "5 3"},
			{"a secret that is gone", `{"left":true,"id":"4"}`, "error read sources.left.people: secrets: read people-1: " + string(secrets.Missing), func() {
				s.values["people-1"] = ""
				time.Sleep(10 * time.Minute)
			}, "6 3"},
		} {
			if step.before != nil {
				step.before()
			}
			if got := read(step.payload); !strings.HasPrefix(got, step.want) {
				t.Errorf("%s: got %s, want %s", step.name, got, step.want)
			}
			if reads := fmt.Sprint(s.reads["people-1"], s.reads["people-2"]); reads != step.reads {
				t.Errorf("%s: %s reads, want %s", step.name, reads, step.reads)
			}
		}
	})
}

// Who is unmapped has that class, by which a metric counts it, and the HR id is told whole to nobody but the caller.
func TestWhoIsInNoTableIsUnmapped(t *testing.T) {
	reg := newRegistry(`{"scheme":"bearer","keys":["a key of hr"],"left_when":{},"uid":"id","people":{"1":"E1001"}}`)
	got, err := receive(reg, post([]byte(`{"id":"employee-7"}`), "Authorization", "a key of hr"))
	if err != nil || len(got.Events) != 1 {
		t.Fatalf("got %+v, %v", got.Events, err)
	}
	e := got.Events[0]
	if e.Status != departure.Unknown || e.Class != departure.ClassUnmapped || !slices.Equal(e.UIDs, []string{"employee-7"}) {
		t.Errorf("got %+v", e)
	}
}
