package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/lambdatest/canary"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// ending is where a departure is after an invocation.
type ending string

const (
	done   ending = "done"        // unbound
	queued ending = "queued"      // in the queue, to come again
	failed ending = "error"       // the invocation ended in an error
	dead   ending = "dead letter" // in the dead-letter queue
	// unverified is unbound, and in the queue since the list could not be read
	unverified ending = "unbound, to be verified"
)

// fault is what goes wrong, and where a departure ends then.
type fault struct {
	name   string
	inject func(*bench)
	// where the departure ends for a caller who waits, for a trigger that nobody waits for, and from the queue
	direct, event, queue ending
}

// leaked stands in a secret that cannot be used.
const leaked = "61_Lk9wQz7Xv2Rb5TnY8Hd3Gs6"

// faults are those of WeChat, of the secret and of the queue.
func faults() []fault {
	errcode := func(name string, code int, direct, queue ending) fault {
		return fault{
			fmt.Sprintf("%d %s", code, name),
			func(b *bench) {
				b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: code, Path: wedatatest.UnbindPath})
			},
			direct, queue, queue,
		}
	}
	reply := func(name string, f wedatatest.Fault) fault {
		f.Times = -1
		return fault{name, func(b *bench) { b.wechat.Fail(f) }, queued, queued, queued}
	}
	secret := func(name string, direct, queue ending, inject func(*lambdatest.SecretsManager)) fault {
		return fault{name, func(b *bench) { inject(b.secrets) }, direct, queue, queue}
	}
	fails := func(f lambdatest.Fault) func(*lambdatest.SecretsManager) {
		f.Times = -1
		return func(s *lambdatest.SecretsManager) { s.Fail(f) }
	}
	return []fault{
		{"none", func(*bench) {}, done, done, done},
		errcode("busy", -1, queued, queued),
		errcode("token invalid", 40001, queued, queued),
		errcode("token invalid", 40014, queued, queued),
		errcode("token missing", 41001, queued, queued),
		errcode("token expired", 42001, queued, queued),
		errcode("authorization lost", 42007, failed, dead),
		errcode("wrong kind of token", 61014, failed, dead),
		errcode("wrong kind of token", 61015, failed, dead),
		errcode("permission", 48001, failed, dead),
		errcode("permission", 61003, failed, dead),
		errcode("permission", 61007, failed, dead),
		errcode("daily quota", 45009, queued, queued),
		errcode("minute rate", 45011, queued, queued),
		errcode("IP", 61004, failed, dead),
		errcode("IP", 40164, failed, dead),
		errcode("blocked", 48004, failed, dead),
		errcode("bad input", 47001, failed, dead),
		errcode("bad input", 40097, failed, dead),
		errcode("bad input", 9900004, failed, dead),
		errcode("undocumented", 12345, queued, queued),
		reply("HTTP 500", wedatatest.Fault{Status: 500}),
		reply("HTTP 503", wedatatest.Fault{Status: 503}),
		reply("an HTML page", wedatatest.Fault{Kind: wedatatest.HTML}),
		reply("an empty reply", wedatatest.Fault{Kind: wedatatest.Empty}),
		reply("half a reply", wedatatest.Fault{Kind: wedatatest.Truncated}),
		reply("no errcode", wedatatest.Fault{Kind: wedatatest.NoErrcode}),
		reply("a reset connection", wedatatest.Fault{Kind: wedatatest.Reset}),
		// WeChat has a newer token already, and the secret has the old one still.
		{"a rotated token", func(b *bench) { b.token = b.wechat.Rotate(shop) }, queued, queued, queued},
		{"a list that cannot be read", func(b *bench) {
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1, Path: wedatatest.ListPath})
		}, unverified, unverified, unverified},
		secret("secret missing", failed, dead, fails(lambdatest.Fault{Code: "ResourceNotFoundException", Status: 400})),
		secret("secret denied", failed, dead, fails(lambdatest.Fault{Code: "AccessDeniedException", Status: 400})),
		secret("secret not decrypted", failed, dead, fails(lambdatest.Fault{Code: "DecryptionFailure", Status: 400})),
		secret("secret throttled", queued, queued, fails(lambdatest.Fault{Code: "ThrottlingException", Status: 400})),
		secret("secret 503", queued, queued, fails(lambdatest.Fault{Status: 503})),
		secret("secret dropped", queued, queued, fails(lambdatest.Fault{Drop: true})),
		secret("secret empty", failed, dead, func(s *lambdatest.SecretsManager) { s.Put(secretID, "\n") }),
		secret("secret binary", failed, dead, func(s *lambdatest.SecretsManager) { s.PutBinary(secretID, []byte{0, 1}) }),
		secret("secret without the member", failed, dead, func(s *lambdatest.SecretsManager) { s.Put(secretID, `{"access_token":"`+leaked+`"}`) }),
		secret("secret broken", failed, dead, func(s *lambdatest.SecretsManager) { s.Put(secretID, `{"authorizer_access_token":"`+leaked+`"`) }),
		{"the queue not reached, and WeChat busy", func(b *bench) {
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
			b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true})
		}, failed, failed, queued},
		{"the queue not reached, and permission lost", func(b *bench) {
			b.wechat.Grant(shop, false)
			b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true})
		}, failed, failed, queued},
	}
}

// Every fault of WeChat, of the secret and of the queue, met by every trigger: the departure is where it belongs, nothing is
// lost, and neither the token nor the whole uid is told to anybody.
func TestEveryFaultMeetsEveryTrigger(t *testing.T) {
	triggers := []struct {
		name string
		send func(*testing.T, *bench) (string, error)
		want func(fault) ending
	}{
		{
			"direct", func(t *testing.T, b *bench) (string, error) { return b.send(t, `{"uid":"`+leaver+`"}`) },
			func(f fault) ending { return f.direct },
		},
		{
			"sns", func(t *testing.T, b *bench) (string, error) { return b.send(t, snsEvent(t, `{"uid":"`+leaver+`"}`)) },
			func(f fault) ending { return f.event },
		},
		{
			"eventbridge", func(t *testing.T, b *bench) (string, error) {
				return b.send(t, eventBridgeEvent(t, `{"uid":"`+leaver+`"}`))
			},
			func(f fault) ending { return f.event },
		},
		{
			"sqs", func(t *testing.T, b *bench) (string, error) {
				b.queue.Send(`{"uid":"`+leaver+`"}`, nil)
				delivery := b.deliver(t)
				return string(delivery.Reply.Payload), delivery.Reply.Err()
			},
			func(f fault) ending { return f.queue },
		},
	}
	for _, f := range faults() {
		for _, trigger := range triggers {
			t.Run(f.name+"/"+trigger.name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, options{})
				b.wechat.Bind(shop, wedatatest.Bound(leaver))
				w := watching(b)
				f.inject(b)
				w.secrets.AddParts("the new token", b.token)
				reply, err := trigger.send(t, b)

				waiting, letters := b.queue.Messages(), b.dead.Messages()
				got := done
				switch {
				case err != nil:
					got = failed
					unbindError(t, err)
				case len(waiting) > 0:
					got = queued
				case len(letters) > 0:
					got = dead
				}
				want := trigger.want(f)
				if want == unverified && got == queued {
					got = unverified
				}
				if got != want {
					t.Errorf("ends %s, want %s: reply %s, error %v", got, want, reply, err)
				}
				stillBound := strings.Contains(fmt.Sprintf("%+v", b.wechat.Bindings(shop)), "UID:"+leaver+" Bound:true")
				if stillBound == (got == done || got == unverified) {
					t.Errorf("ends %s, and is bound: %v", got, stillBound)
				}
				if len(waiting)+len(letters) > 1 {
					t.Errorf("%d messages of one departure", len(waiting)+len(letters))
				}
				w.check(t, b, reply, err)
			})
		}
	}
}

func FuzzInvoke(f *testing.F) {
	for _, event := range []string{
		`{"uid":"E1001"}`, `{"action":"list"}`, `{"dry_run":true,"uid":["E1001"]}`,
		`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"{\"uid\":\"E1001\"}"}}]}`,
		`{"Records":[{"eventSource":"aws:sqs","messageId":"m","receiptHandle":"r","body":"{\"requestContext\":{\"condition\":\"x\"},\"requestPayload\":{\"uid\":\"E1001\"}}"}]}`,
		`{"detail-type":"Employee Left","source":"hr","detail":{"uid":"E1001"}}`,
		`{"version":"2.0","rawPath":"/unbind","requestContext":{"http":{"method":"POST"}},"body":"e30=","isBase64Encoded":true}`,
		`{"httpMethod":"POST","path":"/hooks/x","requestContext":{},"multiValueHeaders":{"A":["b"]}}`,
		string(sourcetest.Bearer(key, []byte(`{"uid":["E1001","E1002"],"effective_at":"2020-01-01"}`)).Event("/unbind")),
		string(sourcetest.HMAC(key, "X-Signature", []byte(`{"type":"employee.left","data":{"uid":"E1001"}}`)).Event("/hooks/hr")),
		string(sourcetest.WeCom(vendorKey, aesKey, "suite", time.Now(), []byte(`<xml><data><uid>E1001</uid></data></xml>`)).Event("/hooks/wecom")),
	} {
		f.Add([]byte(event))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		b := newBench(t, options{sources: watchedSources})
		var token canary.Searcher
		token.AddParts("the token", b.token)
		reply, err := b.send(t, string(event))
		if (reply == "") == (err == nil) {
			t.Errorf("want a reply or an error: %q, %v", reply, err)
		}
		if err != nil {
			unbindError(t, err)
		}
		b.deliver(t)
		if found := token.Find(fmt.Sprint(reply, err, b.log.String(), b.queue.Messages(), b.dead.Messages())); len(found) > 0 {
			t.Errorf("shown: %v", found)
		}
	})
}
