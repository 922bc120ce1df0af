package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// ownSources are the senders of events by HTTP, where no file of the user's is given. Their keys are for the desk
// alone.
//
//go:embed sources.json
var ownSources string

const (
	secretID  = "wedata/token"
	sourcesID = "wedata/sources"
	merchant  = "wx0123456789abcdef"
	token     = "access-token-of-the-desk" // tools/local-deploy writes the same one

	// As in the template.
	queueName   = "unbind"
	maxReceives = 12
)

// options are the flags that both modes have.
type options struct {
	faults  []wedatatest.Fault // of WeChat's next calls
	secret  func(token string) string
	sources string // the text of the sources' secret
}

// secretForms are the forms in which the token secret may be written.
var secretForms = map[string]func(token string) string{
	"object": func(token string) string {
		return fmt.Sprintf(`{"authorizer_access_token":%q,"authorizer_appid":%q}`, token, merchant)
	},
	"index": func(token string) string {
		return fmt.Sprintf(`{"authorizers":{%q:{"authorizer_access_token":%q}}}`, merchant, token)
	},
	"bare": func(token string) string { return token },
}

func newFlags(name string, stderr io.Writer) (*flag.FlagSet, *options) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	o := &options{secret: secretForms["object"], sources: ownSources}
	flags.SetOutput(stderr)
	flags.Func("fault", "let WeChat's next calls fail, as `WHAT[:TIMES]`; WHAT is an errcode or html, empty,\n"+
		"truncated, oversized, no_errcode, reset; TIMES a number or always; can be given several times", o.addFault)
	flags.Func("secret", "`form` of the token secret: object, index or bare (default object)", func(form string) error {
		if o.secret = secretForms[form]; o.secret == nil {
			return errors.New("it is none of object, index, bare")
		}
		return nil
	})
	flags.Func("sources", "`file` with the sources' secret, in place of the desk's own", func(file string) error {
		text, err := os.ReadFile(file)
		o.sources = string(text)
		return err
	})
	return flags, o
}

// parse reads the flags. Package flag would print its error and all flags before it returns the error, and who runs make
// would not see what is wrong.
func parse(flags *flag.FlagSet, args []string) error {
	usage := flags.Output()
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(usage)
		flags.PrintDefaults()
	}
	return err
}

func (o *options) addFault(text string) error {
	what, times, _ := strings.Cut(text, ":")
	fault := wedatatest.Fault{Times: 1}
	if code, err := strconv.Atoi(what); err == nil {
		fault.Errcode = code
	} else {
		fault.Kind = wedatatest.Kind(what)
		known := []wedatatest.Kind{
			wedatatest.HTML, wedatatest.Empty, wedatatest.Truncated,
			wedatatest.Oversized, wedatatest.NoErrcode, wedatatest.Reset,
		}
		if !slices.Contains(known, fault.Kind) {
			return fmt.Errorf("it is neither an errcode nor one of %v", known)
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
	o.faults = append(o.faults, fault)
	return nil
}

// standIns are all services that the function calls, with people and a secret.
type standIns struct {
	http.Handler

	wechat      *wedatatest.Server
	aws         *lambdatest.AWS
	queue, dead *lambdatest.Queue
	calls       *recorder
	secret      string
}

func newStandIns(o *options) *standIns {
	s := &standIns{wechat: wedatatest.New(wedatatest.Options{}), aws: lambdatest.NewAWS()}
	s.dead = s.aws.SQS.Create(queueName+"-dead-letter", lambdatest.QueueConfig{})
	s.queue = s.aws.SQS.Create(queueName, lambdatest.QueueConfig{
		Visibility: time.Minute, DeadLetter: s.dead, MaxReceives: maxReceives,
	})

	s.wechat.Bind(merchant, wedatatest.Bound("E1001"), wedatatest.Bound("E1002"),
		wedatatest.Administrator("E1003"), wedatatest.Unbound("E1004"))
	s.wechat.Fail(o.faults...)
	s.wechat.SetToken(merchant, token)
	s.secret = o.secret(token)
	s.aws.Secrets.Put(secretID, s.secret)
	s.aws.Secrets.Put(sourcesID, o.sources)

	s.calls = &recorder{queues: map[string]string{s.queue.URL: s.queue.Name, s.dead.URL: s.dead.Name}}
	s.Handler = s.calls.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if service, _ := lambdatest.Operation(r); service != "" {
			s.aws.ServeHTTP(w, r)
			return
		}
		s.wechat.ServeHTTP(w, r)
	}))
	return s
}

// env returns the environment in which the function finds the stand-ins at url.
func (s *standIns) env(url string) map[string]string {
	return map[string]string{
		"WEDATA_SECRET_ID":             secretID,
		"WEDATA_BASE_URL":              url,
		"UNBIND_SOURCES_SECRET_ID":     sourcesID,
		"UNBIND_QUEUE_URL":             s.queue.URL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": s.dead.URL,
		"UNBIND_SCHEDULE_GROUP":        "unbind",
		"UNBIND_SCHEDULE_ROLE_ARN":     "arn:aws:iam::123456789012:role/unbind-schedules",
		"UNBIND_QUEUE_ARN":             s.queue.ARN(),
		"UNBIND_DEAD_LETTER_QUEUE_ARN": s.dead.ARN(),
		"AWS_ENDPOINT_URL":             url,
	}
}
