package source_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
)

// Each vendor's event on its whole way: as an HTTP API hands it to the function, into the queue, and answered. The log
// of this test is the table of what was seen.
func TestWhatVendorsSendIsQueued(t *testing.T) {
	shapes, secret, at := source.Shapes(t)
	aws := lambdatest.NewAWS()
	aws.Secrets.Put("sources", secret)
	dead := aws.SQS.Create("dead", lambdatest.QueueConfig{})
	waiting := aws.SQS.Create("queue", lambdatest.QueueConfig{})
	server, err := lambdatest.Serve("127.0.0.1:0", aws)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	cache := secrets.New(secretsmanager.New(secretsmanager.Options{
		Region: lambdatest.Region, BaseEndpoint: &server.URL, Credentials: keys,
	}), secrets.Config{})
	weChat, err := wedata.New(wedata.Config{}) // a webhook never calls it
	if err != nil {
		t.Fatal(err)
	}
	service, err := offboard.New(offboard.Config{API: weChat, Tokens: token.New(cache, "token")})
	if err != nil {
		t.Fatal(err)
	}
	decoder := departure.Decoder{Zone: time.FixedZone("+08:00", 8*60*60)}
	var log bytes.Buffer
	handler, err := events.New(events.Config{
		Offboard: service, Decoder: decoder, Log: slog.New(slog.NewJSONHandler(&log, nil)),
		Queue: queue.New(sqs.New(sqs.Options{
			Region: lambdatest.Region, BaseEndpoint: &server.URL, Credentials: keys,
		}), waiting.URL, dead.URL),
		Sources: source.New(source.Config{
			Secrets: cache, SecretID: "sources", Decoder: decoder, Now: func() time.Time { return at },
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(t *testing.T, event []byte) int {
		t.Helper()
		reply, err := handler.Invoke(t.Context(), event)
		var answer struct{ StatusCode int }
		if err == nil {
			err = json.Unmarshal(reply, &answer)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	for _, shape := range shapes {
		t.Run(shape.Source+", "+shape.Name, func(t *testing.T) {
			path := "/hooks/" + shape.Source
			queued, letters := len(waiting.Messages()), len(dead.Messages())
			if status := send(t, shape.Request.Event(path)); status != http.StatusOK {
				t.Fatalf("answered %d\n%s", status, log.String())
			}
			var people []string
			for _, m := range waiting.Messages()[queued:] {
				var event struct {
					Type string
					Data struct{ UID string }
				}
				if err := json.Unmarshal([]byte(m.Body), &event); err != nil {
					t.Fatal(err)
				}
				people = append(people, strings.TrimPrefix(event.Type, "employee.")+" "+event.Data.UID)
			}
			wanted, failures := departures(shape.Want)
			if !slices.Equal(people, wanted) {
				t.Errorf("in the queue: %q, want %q", people, wanted)
			}
			if sent := len(dead.Messages()) - letters; (sent > 0) != failures {
				t.Errorf("%d dead letters for %s", sent, shape.Want)
			}
			for what, r := range shape.Forged {
				if status := send(t, r.Event(path)); status != http.StatusUnauthorized {
					t.Errorf("%s: answered %d", what, status)
				}
			}
			if more := len(waiting.Messages()) - queued - len(people); more != 0 {
				t.Errorf("forged requests brought %d messages into the queue", more)
			}
			t.Logf("| %s | %s | %s |", shape.Source, shape.Name, shape.Want)
		})
	}
}

// departures returns who is in the queue after the events that a row tells, and whether one of them fails.
func departures(told string) (people []string, failures bool) {
	for one := range strings.SplitSeq(told, "; ") {
		words := strings.Fields(one)
		failures = failures || words[0] == "failed:"
		if !strings.HasPrefix(words[0], "left") {
			continue
		}
		for uid := range strings.SplitSeq(words[1], ",") {
			people = append(people, words[0]+" "+uid)
		}
	}
	return people, failures
}
