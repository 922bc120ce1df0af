package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// sources are who may send events by HTTP. Their keys open nothing but this desk.
//
//go:embed sources.json
var sources string

const (
	secretID       = "wedata/token"
	sourcesID      = "wedata/sources"
	firstMerchant  = "wx0123456789abcdef"
	secondMerchant = "wxfedcba9876543210"

	// As in the template.
	queueName   = "unbind"
	maxReceives = 12
)

// form is one of the forms in which the secret may be written.
type form string

const (
	formObject form = "object"
	formIndex  form = "index"
	formBare   form = "bare"
)

func (f *form) String() string { return string(*f) }

// Set implements [flag.Value].
func (f *form) Set(s string) error {
	if *f = form(s); !slices.Contains([]form{formObject, formIndex, formBare}, *f) {
		return fmt.Errorf("not a form of the secret: it is object, index or bare")
	}
	return nil
}

// faults are what WeChat is to do wrong, one after the other.
type faults []wedatatest.Fault

func (f *faults) String() string { return "" }

// Set implements [flag.Value] for one of them, WHAT[:TIMES].
func (f *faults) Set(s string) error {
	what, times, _ := strings.Cut(s, ":")
	fault := wedatatest.Fault{Times: 1}
	if code, err := strconv.Atoi(what); err == nil {
		fault.Errcode = code
	} else {
		fault.Kind = wedatatest.Kind(what)
		known := []wedatatest.Kind{
			wedatatest.HTML, wedatatest.Empty, wedatatest.Truncated, wedatatest.Oversized, wedatatest.NoErrcode, wedatatest.Reset,
		}
		if !slices.Contains(known, fault.Kind) {
			return fmt.Errorf("%q is neither an errcode nor one of %q", what, known)
		}
	}
	switch n, err := strconv.Atoi(times); {
	case times == "always":
		fault.Times = -1
	case times != "" && (err != nil || n < 1):
		return fmt.Errorf("%q is no number of times: it is 1 or more, or always", times)
	case times != "":
		fault.Times = n
	}
	*f = append(*f, fault)
	return nil
}

// stage is all that the function meets, with the people and the secret of the show.
type stage struct {
	http.Handler

	wechat      *wedatatest.Server
	aws         *lambdatest.AWS
	queue, dead *lambdatest.Queue
	calls       *recorder
	merchants   []string
	tokens      []string // which the page shows as ***
	secret      string
}

func newStage(o options) *stage {
	s := &stage{wechat: wedatatest.New(wedatatest.Options{}), aws: lambdatest.NewAWS(), merchants: []string{firstMerchant}}
	s.dead = s.aws.SQS.Create(queueName+"-dead-letter", lambdatest.QueueConfig{})
	s.queue = s.aws.SQS.Create(queueName, lambdatest.QueueConfig{
		Visibility: time.Minute, DeadLetter: s.dead, MaxReceives: maxReceives,
	})

	s.wechat.Bind(firstMerchant,
		wedatatest.Bound("E1001"), wedatatest.Bound("E1002"), wedatatest.Administrator("E1003"), wedatatest.Unbound("E1004"))
	s.wechat.Bind(secondMerchant, wedatatest.Bound("E1001"), wedatatest.Bound("E2001"))
	if o.secret == formIndex {
		s.merchants = append(s.merchants, secondMerchant)
	}
	s.tokens = []string{s.wechat.Rotate(firstMerchant), s.wechat.Rotate(secondMerchant)}
	s.secret = secretText(o.secret, s.tokens)
	s.aws.Secrets.Put(secretID, s.secret)
	s.aws.Secrets.Put(sourcesID, sources)
	s.wechat.Fail(o.faults...)

	s.calls = &recorder{queues: map[string]string{s.queue.URL: s.queue.Name, s.dead.URL: s.dead.Name}}
	s.Handler = s.calls.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			s.aws.ServeHTTP(w, r)
			return
		}
		s.wechat.ServeHTTP(w, r)
	}))
	return s
}

func secretText(f form, tokens []string) string {
	type entry struct {
		Token string `json:"authorizer_access_token"`
		AppID string `json:"authorizer_appid,omitempty"`
	}
	var secret any
	switch f {
	case formBare:
		return tokens[0]
	case formIndex:
		secret = map[string]any{"authorizers": map[string]entry{
			firstMerchant: {Token: tokens[0]}, secondMerchant: {Token: tokens[1]},
		}}
	default:
		secret = entry{Token: tokens[0], AppID: firstMerchant}
	}
	text, _ := json.Marshal(secret) // strings always marshal
	return string(text)
}

// env is what the function needs to find the stage at url.
func (s *stage) env(url string) map[string]string {
	return map[string]string{
		"WEDATA_SECRET_ID":             secretID,
		"WEDATA_BASE_URL":              url,
		"UNBIND_SOURCES_SECRET_ID":     sourcesID,
		"UNBIND_QUEUE_URL":             s.queue.URL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": s.dead.URL,
		"AWS_ENDPOINT_URL":             url,
	}
}

// bindings are the bind lists of all merchants of the secret.
func (s *stage) bindings() map[string][]wedatatest.Binding {
	all := map[string][]wedatatest.Binding{}
	for _, merchant := range s.merchants {
		all[merchant] = s.wechat.Bindings(merchant)
	}
	return all
}
