package schedule_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/schedule"
)

const (
	merchant = "wx0123456789abcdef"
	// The first 32 hex digits of the SHA-256 of E1001.
	hashE1001 = "69050a418734442c99d69f8af6971766"
)

// bench is a Store over a stand-in for EventBridge Scheduler. It runs in a bubble, whose clock starts on 2000-01-01.
type bench struct {
	*schedule.Store
	aws         *lambdatest.AWS
	queue, dead *lambdatest.Queue
	client      *scheduler.Client
	handler     http.HandlerFunc // in the place of the stand-in, where it is set
	now         time.Time
}

type fixedToken struct{}

func (fixedToken) GetIdempotencyToken() (string, error) {
	return "00000000-0000-4000-8000-000000000000", nil
}

// inBubble runs the test with a Store in a bubble of synctest.
func inBubble(t *testing.T, test func(*testing.T, *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newBench(t)) })
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{aws: lambdatest.NewAWS(), now: time.Now()}
	b.queue = b.aws.SQS.Create("unbind", lambdatest.QueueConfig{})
	b.dead = b.aws.SQS.Create("unbind-dead-letter", lambdatest.QueueConfig{})
	client, url := lambdatest.InMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.handler != nil {
			b.handler(w, r)
			return
		}
		b.aws.ServeHTTP(w, r)
	}))
	b.client = scheduler.New(scheduler.Options{
		Region: lambdatest.Region, BaseEndpoint: &url, HTTPClient: client, RetryMaxAttempts: 1,
		Credentials:              credentials.NewStaticCredentialsProvider("id", "secret", ""),
		IdempotencyTokenProvider: fixedToken{},
	})
	b.Store = schedule.New(b.client, b.config())
	return b
}

func (b *bench) config() schedule.Config {
	return schedule.Config{
		Group: "unbind", RoleARN: "arn:aws:iam::123456789012:role/unbind-schedule", QueueARN: b.queue.ARN(),
		DeadLetterQueueARN: b.dead.ARN(), Now: b.aws.Scheduler.Now,
	}
}

// left returns the departure of E1001 from the merchant, which was announced and is due so many minutes after the
// bubble's start.
func (b *bench) left(announced, due int) departure.Departure {
	return departure.Departure{
		Meta: departure.Meta{
			Type: departure.TypeLeft, ID: fmt.Sprintf("evt-%d", announced), Source: "hr",
			Time: b.at(announced),
		},
		UID: "E1001", Merchant: merchant, EffectiveAt: b.at(due),
	}
}

// cancelled is a cancellation, which ends 14 days after it is put.
func (b *bench) cancelled(at int) departure.Departure {
	d := b.left(at, 14*24*60)
	d.Type = departure.TypeCancelled
	return d
}

func (b *bench) at(minutes int) time.Time {
	return b.now.Add(time.Duration(minutes) * time.Minute).UTC()
}

func (b *bench) put(t *testing.T, d departure.Departure) departure.Departure {
	t.Helper()
	stands, err := b.Put(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return stands
}

func (b *bench) standing(t *testing.T, uid string) []departure.Departure {
	t.Helper()
	list, err := b.Standing(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// calls are the calls of each operation, as "create 1, get 2".
func (b *bench) calls() string {
	var list []string
	for _, operation := range []string{"Create", "Get", "Update", "Delete", "List"} {
		n := b.aws.Scheduler.Calls(operation + "Schedule")
		if operation == "List" {
			n = b.aws.Scheduler.Calls("ListSchedules")
		}
		if n > 0 {
			list = append(list, fmt.Sprintf("%s %d", strings.ToLower(operation), n))
		}
	}
	return strings.Join(list, ", ")
}

// The whole request: a member that is missing or misspelt changes what Scheduler does.
func TestTheRequestOfALaterDeparture(t *testing.T) {
	for name, row := range map[string]struct {
		change           func(*departure.Departure)
		name, due, input string
	}{
		"a merchant": {
			func(*departure.Departure) {}, hashE1001 + "-" + merchant, "2000-01-01T01:00:00",
			`{"specversion":"1.0","source":"hr","id":"evt-0","type":"employee.left","time":"2000-01-01T00:00:00Z",` +
				`"data":{"uid":"E1001","merchant":"wx0123456789abcdef","effective_at":"2000-01-01T01:00:00Z"}}`,
		},
		"all merchants, due within a minute, by another offset": {
			func(d *departure.Departure) {
				d.Merchant, d.EffectiveAt = "", d.EffectiveAt.Add(time.Nanosecond).In(time.FixedZone("", 8*3600))
			},
			hashE1001 + "-all", "2000-01-01T01:01:00",
			`{"specversion":"1.0","source":"hr","id":"evt-0","type":"employee.left","time":"2000-01-01T00:00:00Z",` +
				`"data":{"uid":"E1001","effective_at":"2000-01-01T09:00:00.000000001+08:00"}}`,
		},
		"a merchant whose appid is too long for a name": {
			func(d *departure.Departure) { d.Merchant = "wx" + strings.Repeat("0", 62) },
			hashE1001 + "-479dfc3e98da10f29b2fe517b16497c", "2000-01-01T01:00:00",
			`{"specversion":"1.0","source":"hr","id":"evt-0","type":"employee.left","time":"2000-01-01T00:00:00Z",` +
				`"data":{"uid":"E1001","merchant":"wx` + strings.Repeat("0", 62) + `","effective_at":"2000-01-01T01:00:00Z"}}`,
		},
		"an id with what SQS refuses and Scheduler replaces": {
			func(d *departure.Departure) { d.ID = "a\ufffeb\uffff<aws.scheduler.execution-id>" },
			hashE1001 + "-" + merchant, "2000-01-01T01:00:00",
			`{"specversion":"1.0","source":"hr","id":"ab\u003caws.scheduler.execution-id>","type":"employee.left",` +
				`"time":"2000-01-01T00:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef","effective_at":"2000-01-01T01:00:00Z"}}`,
		},
		"a cancellation": {
			func(d *departure.Departure) { d.Type, d.EffectiveAt = departure.TypeCancelled, time.Time{} },
			hashE1001 + "-" + merchant, "2000-01-15T00:00:00",
			`{"specversion":"1.0","source":"hr","id":"evt-0","type":"employee.left.cancelled.expired",` +
				`"time":"2000-01-01T00:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef","effective_at":"2000-01-15T00:00:00Z"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				var method, path, body string
				b.handler = func(w http.ResponseWriter, r *http.Request) {
					sent, _ := io.ReadAll(r.Body)
					method, path, body = r.Method, r.URL.Path, string(sent)
					io.WriteString(w, `{"ScheduleArn":"arn"}`)
				}
				d := b.left(0, 60)
				row.change(&d)
				b.put(t, d)
				input := strconv.Quote(row.input)
				want := `{"ActionAfterCompletion":"DELETE","ClientToken":"00000000-0000-4000-8000-000000000000",` +
					`"FlexibleTimeWindow":{"Mode":"OFF"},"GroupName":"unbind","ScheduleExpression":"at(` + row.due + `)",` +
					`"ScheduleExpressionTimezone":"UTC","State":"ENABLED","Target":{` +
					`"Arn":"arn:aws:sqs:us-east-1:123456789012:unbind",` +
					`"DeadLetterConfig":{"Arn":"arn:aws:sqs:us-east-1:123456789012:unbind-dead-letter"},` +
					`"Input":` + input + `,` +
					`"RetryPolicy":{"MaximumEventAgeInSeconds":86400,"MaximumRetryAttempts":185},` +
					`"RoleArn":"arn:aws:iam::123456789012:role/unbind-schedule"}}`
				if method != "POST" || path != "/schedules/"+row.name || body != want {
					t.Errorf("got  %s %s %s\nwant POST /schedules/%s %s", method, path, body, row.name, want)
				}
			})
		})
	}
}

func TestPutKeepsTheNewest(t *testing.T) {
	for name, row := range map[string]struct {
		events func(*bench) []departure.Departure
		stands int // the index of what stands in the end
		calls  string
	}{
		"the first": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 60)} }, 0, "create 1",
		},
		"moved": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 60), b.left(2, 90)} },
			1, "create 2, get 1, update 1",
		},
		"moved twice, out of order": {
			func(b *bench) []departure.Departure {
				return []departure.Departure{b.left(1, 60), b.left(3, 30), b.left(2, 90)}
			}, 1, "create 3, get 2, update 1",
		},
		"delivered twice": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 60), b.left(1, 60)} },
			0, "create 2, get 1",
		},
		"taken back": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 60), b.cancelled(2)} },
			1, "create 2, get 1, update 1",
		},
		"taken back before it was announced": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.cancelled(2), b.left(1, 60)} },
			0, "create 2, get 1",
		},
		"taken back, and announced again": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.cancelled(2), b.left(3, 60)} },
			1, "create 2, get 1, update 1",
		},
		"announced and taken back at the same time": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 60), b.cancelled(1)} },
			1, "create 2, get 1, update 1",
		},
		"taken back and announced at the same time": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.cancelled(1), b.left(1, 60)} },
			0, "create 2, get 1",
		},
		"two days at the same time: the later": {
			func(b *bench) []departure.Departure { return []departure.Departure{b.left(1, 90), b.left(1, 60)} },
			0, "create 2, get 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				events := row.events(b)
				want := events[row.stands]
				var got departure.Departure
				for _, d := range events {
					got = b.put(t, d)
				}
				if calls := b.calls(); got != want || calls != row.calls {
					t.Errorf("stands %+v, want %+v; %s, want %s", got, want, calls, row.calls)
				}
				if list := b.standing(t, "E1001"); len(list) != 1 || list[0] != want {
					t.Errorf("standing %+v, want %+v", list, want)
				}
			})
		})
	}
}

// Two events of one person, one day's schedule: whichever is written first, the newest stands.
func TestPutOfSeveralAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var group sync.WaitGroup
		for _, d := range []departure.Departure{b.left(1, 60), b.cancelled(2)} {
			group.Go(func() {
				if _, err := b.Put(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if list := b.standing(t, "E1001"); len(list) != 1 || list[0] != b.cancelled(2) {
			t.Errorf("standing %+v", list)
		}
	})
}

func TestPutStartsAgainWhereTheScheduleIsDeleted(t *testing.T) {
	for _, vanishes := range []string{"GET", "PUT"} {
		t.Run("before "+vanishes, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.put(t, b.left(1, 60))
				other := schedule.New(b.client, b.config())
				busy := false
				b.handler = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == vanishes && !busy {
						busy = true
						if err := other.Remove(r.Context(), "E1001", merchant); err != nil {
							t.Error(err)
						}
					}
					b.aws.ServeHTTP(w, r)
				}
				moved := b.left(2, 90)
				if stands := b.put(t, moved); stands != moved {
					t.Errorf("stands %+v", stands)
				}
				if list := b.standing(t, "E1001"); len(list) != 1 || list[0] != moved {
					t.Errorf("standing %+v", list)
				}
			})
		})
	}
	t.Run("again and again", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.handler = func(w http.ResponseWriter, r *http.Request) {
				code := map[string]string{"POST": "ConflictException", "GET": "ResourceNotFoundException"}[r.Method]
				w.Header().Set("X-Amzn-ErrorType", code)
				w.WriteHeader(http.StatusConflict)
			}
			_, err := b.Put(t.Context(), b.left(1, 60))
			want(t, err, true, "schedule: create: the schedule was deleted during each try: it may work later")
		})
	})
}

func TestWhatIsDueComesToTheQueueOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		d := b.left(1, 60)
		b.put(t, d)
		b.put(t, departure.Departure{Meta: b.cancelled(1).Meta, UID: "E1002"})
		b.aws.Scheduler.MoveTo(d.EffectiveAt.Add(-time.Second))
		if got := b.queue.Messages(); len(got) != 0 {
			t.Fatalf("too early: %+v", got)
		}
		b.aws.Scheduler.MoveTo(d.EffectiveAt)
		messages := b.queue.Messages()
		if len(messages) != 1 {
			t.Fatalf("got %+v", messages)
		}
		events := departure.Decoder{}.Decode([]byte(messages[0].Body), departure.Meta{})
		if got := events[0].Departures(nil); len(events) != 1 || len(got) != 1 || got[0] != d {
			t.Errorf("got %+v, want %+v", events, d)
		}
		if list := b.standing(t, "E1001"); len(list) != 0 {
			t.Errorf("still stands: %+v", list)
		}
		b.aws.Scheduler.MoveTo(b.now.Add(14*24*time.Hour + time.Minute))
		messages = b.queue.Messages()
		if events := (departure.Decoder{}).Decode([]byte(messages[len(messages)-1].Body), departure.Meta{}); len(messages) != 2 ||
			len(events) != 1 || events[0].Status != departure.Ignored {
			t.Errorf("a cancellation whose time is over: %+v", events)
		}
	})
}

func TestStandingIsThePersonsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		all, one := b.left(1, 60), b.cancelled(2)
		all.Merchant = ""
		for _, uid := range []string{"E1001", "E1002"} {
			for _, d := range []departure.Departure{all, one} {
				d.UID = uid
				b.put(t, d)
			}
		}
		if got := b.standing(t, "E1001"); len(got) != 2 || got[0] != all || got[1] != one {
			t.Errorf("got %+v", got)
		}
		if got := b.standing(t, "E100"); len(got) != 0 {
			t.Errorf("of nobody: %+v", got)
		}
	})
}

func TestStandingTakesOneCallWhereNothingStands(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if got := b.standing(t, "E1001"); len(got) != 0 || b.calls() != "list 1" {
			t.Errorf("got %+v with %s", got, b.calls())
		}
	})
}

// Between the list and the reading a schedule may come due.
func TestAScheduleDeletedWhileItIsReadIsLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.put(t, b.left(1, 60))
		b.handler = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.Path != "/schedules" {
				b.aws.Scheduler.Fail(lambdatest.Fault{Code: "ResourceNotFoundException", Status: 404})
			}
			b.aws.ServeHTTP(w, r)
		}
		if got := b.standing(t, "E1001"); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAllIsSortedByTimeOverAllPages(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		const people = 205
		for i := range people {
			d := b.left(1, 60+(i*7)%people)
			d.UID = fmt.Sprintf("E%d", i)
			if i%50 == 0 {
				d.Type, d.EffectiveAt = departure.TypeCancelled, time.Time{}
			}
			b.put(t, d)
		}
		list, err := b.All(t.Context())
		if err != nil || len(list) != people-5 {
			t.Fatalf("%d, %v", len(list), err)
		}
		for i, d := range list {
			if i > 0 && d.EffectiveAt.Before(list[i-1].EffectiveAt) || d.Type != departure.TypeLeft {
				t.Errorf("%d: %+v after %+v", i, d, list[i-1])
			}
		}
		if calls := b.calls(); calls != "create 205, get 205, list 3" {
			t.Error(calls)
		}
	})
}

func TestRemove(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		all := b.left(1, 60)
		all.Merchant = ""
		b.put(t, all)
		b.put(t, b.left(1, 60))
		for range 2 { // the second time there is nothing
			if err := b.Remove(t.Context(), "E1001", merchant); err != nil {
				t.Error(err)
			}
		}
		if got := b.standing(t, "E1001"); len(got) != 1 || got[0] != all {
			t.Errorf("got %+v", got)
		}
		if err := b.Remove(t.Context(), "E1001", ""); err != nil {
			t.Error(err)
		}
		if got := b.standing(t, "E1001"); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// want checks an error's text and what follows from it.
func want(t *testing.T, err error, temporary bool, text string) {
	t.Helper()
	var fault *schedule.Error
	if !errors.As(err, &fault) || fault.Error() != text || fault.Temporary() != temporary || fault.Class() != "schedule" {
		t.Errorf("got  %v\nwant %s, temporary: %v", err, text, temporary)
	}
}

// each calls every method with a departure.
func each(t *testing.T, b *bench, d departure.Departure) map[string]error {
	t.Helper()
	errs := map[string]error{}
	_, errs["create"] = b.Put(t.Context(), d)
	errs["delete"] = b.Remove(t.Context(), d.UID, d.Merchant)
	_, errs["list"] = b.All(t.Context())
	return errs
}

func TestEveryFaultOfSchedulerMayPass(t *testing.T) {
	for name, row := range map[string]struct {
		fault lambdatest.Fault
		text  string
	}{
		"throttled": {
			lambdatest.Fault{Code: "ThrottlingException", Status: 429},
			"ThrottlingException: it may work later; if it stays, ask AWS for a higher quota",
		},
		"too many schedules": {
			lambdatest.Fault{Code: "ServiceQuotaExceededException", Status: 402},
			"ServiceQuotaExceededException: it may work later; if it stays, ask AWS for a higher quota",
		},
		"denied": {
			lambdatest.Fault{Code: "AccessDeniedException", Status: 403},
			"AccessDeniedException: look at the function's role: scheduler:*Schedule and scheduler:ListSchedules on the group, " +
				"iam:PassRole on UNBIND_SCHEDULE_ROLE_ARN",
		},
		"not valid": {
			lambdatest.Fault{Code: "ValidationException"}, "ValidationException: it may work later; if it stays, look at " +
				"UNBIND_SCHEDULE_ROLE_ARN, UNBIND_QUEUE_ARN and UNBIND_DEAD_LETTER_QUEUE_ARN, and at the role's trust policy",
		},
		"down": {
			lambdatest.Fault{Code: "InternalServerException", Status: 500}, "InternalServerException: it may work later",
		},
		"no connection": {
			lambdatest.Fault{Drop: true},
			"not reached: it may work later; if it stays, check the network and the endpoint",
		},
		"no reply": {lambdatest.Fault{Hang: true}, "not reached: no reply in time: it may work later"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				row.fault.Times = -1
				b.aws.Scheduler.Fail(row.fault)
				start := time.Now()
				for operation, err := range each(t, b, b.left(1, 60)) {
					want(t, err, true, "schedule: "+operation+": "+row.text)
				}
				if took := time.Since(start); took > 3*4500*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestAMissingGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.aws.Scheduler.Fail(lambdatest.Fault{Code: "ResourceNotFoundException", Status: 404, Times: -1})
		errs := each(t, b, b.left(1, 60))
		for _, operation := range []string{"create", "list"} {
			want(t, errs[operation], true, "schedule: "+operation+
				": ResourceNotFoundException: look at UNBIND_SCHEDULE_GROUP: there may be no such group")
		}
		if errs["delete"] != nil {
			t.Error(errs["delete"])
		}
	})
}

// A proxy may answer with status 200. A departure would be lost, or somebody's cancellation overlooked.
func TestAReplyThatIsNotSchedulers(t *testing.T) {
	for name, reply := range map[string]string{"empty object": `{}`, "page": `<html>`} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.handler = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, reply) }
				errs := each(t, b, b.left(1, 60))
				delete(errs, "delete") // its reply is an empty object
				for operation, err := range errs {
					want(t, err, true, "schedule: "+operation+": the reply does not come from EventBridge Scheduler: "+
						"it may work later; look for a proxy on the way")
				}
			})
		})
	}
}

func TestAScheduleWithoutATargetIsAReplyThatIsNotSchedulers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.put(t, b.left(1, 60))
		b.handler = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.Path != "/schedules" {
				io.WriteString(w, `{}`)
				return
			}
			b.aws.ServeHTTP(w, r)
		}
		_, err := b.Standing(t.Context(), "E1001")
		want(t, err, true, "schedule: get: the reply does not come from EventBridge Scheduler: it may work later; look for a proxy on the way")
	})
}

func TestAFaultAfterTheConflict(t *testing.T) {
	for _, operation := range []string{"get", "update"} {
		t.Run(operation, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.put(t, b.left(1, 60))
				b.handler = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == map[string]string{"get": "GET", "update": "PUT"}[operation] {
						b.aws.Scheduler.Fail(lambdatest.Fault{Code: "InternalServerException", Status: 500})
					}
					b.aws.ServeHTTP(w, r)
				}
				_, err := b.Put(t.Context(), b.cancelled(2))
				want(t, err, true, "schedule: "+operation+": InternalServerException: it may work later")
			})
		})
	}
}

// Nobody may be unbound because a schedule cannot be read.
func TestAScheduleThatHoldsNoDeparture(t *testing.T) {
	for name, input := range map[string]string{
		"not JSON": "run", "another event": `{"type":"employee.joined","data":{"uid":"E1001"}}`,
		"two people": `{"uid":["E1001","E1002"]}`, "two merchants": `{"uid":"E1001","merchant":["wx1","wx2"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.put(t, b.left(1, 60))
				b.handler = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && r.URL.Path != "/schedules" {
						json.NewEncoder(w).Encode(map[string]any{"Target": map[string]string{"Arn": "a", "RoleArn": "r", "Input": input}})
						return
					}
					b.aws.ServeHTTP(w, r)
				}
				_, err := b.Standing(t.Context(), "E1001")
				want(t, err, false, "schedule: get: schedule "+hashE1001+"-"+merchant+
					" holds no departure of one person: delete it, and send the person's departure again")
			})
		})
	}
}

func TestWhatIsNotSetIsAnErrorWhenItIsNeeded(t *testing.T) {
	for variable, unset := range map[string]func(*schedule.Config){
		"UNBIND_SCHEDULE_GROUP":        func(c *schedule.Config) { *c = schedule.Config{} },
		"UNBIND_SCHEDULE_ROLE_ARN":     func(c *schedule.Config) { c.RoleARN = "" },
		"UNBIND_QUEUE_ARN":             func(c *schedule.Config) { c.QueueARN = "" },
		"UNBIND_DEAD_LETTER_QUEUE_ARN": func(c *schedule.Config) { c.DeadLetterQueueARN = "" },
	} {
		t.Run(variable, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				config := b.config()
				unset(&config)
				b.Store = schedule.New(nil, config)
				for _, err := range each(t, b, b.left(1, 60)) {
					want(t, err, false, "schedule: later departures cannot be kept: set "+variable)
				}
			})
		})
	}
}
