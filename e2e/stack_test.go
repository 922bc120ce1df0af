package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"wedata-unbind/internal/wedata/wedatatest"
)

// indexSecret is the secret with the index of merchants. The names of their own secrets begin with merchantPrefix.
const (
	indexSecret    = "wedata/authorizers"
	merchantPrefix = "wedata/merchants/"
	sourcesSecret  = "wedata/sources"
)

// stack is the template, deployed by sam to MiniStack.
type stack struct {
	name     string
	config   aws.Config
	endpoint string
	process  int // MiniStack's process id
	wechat   *wechat
	// wechatURL is the address of the stand-in for WeChat.
	wechatURL string
	// outputs has the stack's outputs by name.
	outputs map[string]string
	// overrides has the parameters of the deployment.
	overrides []string
}

// newStack starts MiniStack with the secrets of a user who has these merchants.
func newStack(t *testing.T, merchants ...string) *stack {
	t.Helper()
	port := freePort(t)
	s := &stack{name: "wedata-unbind-local", endpoint: "http://127.0.0.1:" + port, wechat: newWechat()}
	s.config = aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &s.endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	s.wechatURL = "http://127.0.0.1:" + serve(t, s.wechat)
	s.overrides = []string{
		"WedataSecretName=" + indexSecret,
		"MerchantSecretPrefix=" + merchantPrefix,
		"SourcesSecretName=" + sourcesSecret,
		"EventBusName=default",
		"EventSources=com.example.hr",
		"AlarmEmail=ops@example.com",
		"WedataBaseUrl=" + s.wechatURL,
		"AwsEndpointUrl=" + s.endpoint,
		"SavedQueries=false", // MiniStack has no AWS::Logs::QueryDefinition
	}

	cmd := exec.Command(tool(t, "MINISTACK"))
	// The function is a process of MiniStack and inherits this. On Lambda, LoggingConfig sets the log's format.
	cmd.Env = environ("GATEWAY_PORT="+port, "AWS_LAMBDA_LOG_FORMAT=JSON", "TMPDIR="+t.TempDir())
	s.process = start(t, cmd)
	eventually(t, time.Minute, "MiniStack answers", func() bool {
		reply, err := http.Get(s.endpoint + "/_ministack/health")
		if err == nil {
			reply.Body.Close()
		}
		return err == nil && reply.StatusCode == http.StatusOK
	})

	index := map[string]map[string]string{}
	for _, merchant := range merchants {
		index[merchant] = map[string]string{"secret_id": merchantPrefix + merchant}
		s.wechat.SetToken(merchant, tokenOf(merchant))
		s.putSecret(t, merchantPrefix+merchant, fmt.Sprintf(`{"authorizer_access_token":%q}`, tokenOf(merchant)))
	}
	text, err := json.Marshal(map[string]any{"authorizers": index})
	if err != nil {
		t.Fatal(err)
	}
	s.putSecret(t, indexSecret, string(text))
	s.putSecret(t, sourcesSecret, deskSources(t, "merchants", []string{"*"})) // an index requires merchants
	return s
}

// tokenOf returns the merchant's first token.
func tokenOf(merchant string) string { return "token-of-" + merchant }

// deploy creates or updates the stack. The parameters given override those of the stack.
func (s *stack) deploy(t *testing.T, more ...string) {
	t.Helper()
	sam(t, environ("AWS_ENDPOINT_URL="+s.endpoint), s.deployment(more)...)
	out, err := cloudformation.NewFromConfig(s.config).DescribeStacks(t.Context(),
		&cloudformation.DescribeStacksInput{StackName: &s.name})
	if err != nil {
		t.Fatal(err)
	}
	s.outputs = map[string]string{}
	for _, output := range out.Stacks[0].Outputs {
		s.outputs[*output.OutputKey] = *output.OutputValue
	}
}

// refuse checks that a deployment with these parameters is refused with the reason.
func (s *stack) refuse(t *testing.T, reason string, more ...string) {
	t.Helper()
	_, complaint, err := trySam(t, environ("AWS_ENDPOINT_URL="+s.endpoint), s.deployment(more)...)
	if err == nil || !strings.Contains(strings.Join(strings.Fields(complaint), " "), reason) {
		t.Errorf("deployed with %v: %v, %s; want it refused with %q", more, err, complaint, reason)
	}
}

// deployment returns sam's arguments for the deployment.
func (s *stack) deployment(more []string) []string {
	args := []string{"deploy", "--config-env", "local", "--stack-name", s.name, "--parameter-overrides"}
	return slices.Concat(args, s.overrides, more)
}

func (s *stack) putSecret(t *testing.T, name, text string) {
	t.Helper()
	client := secretsmanager.NewFromConfig(s.config)
	_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	if err != nil { // it exists
		_, err = client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// rotate gives the merchant a new token, at WeChat and in its secret. The stand-in knows a merchant by its token.
func (s *stack) rotate(t *testing.T, merchant string) {
	t.Helper()
	s.putSecret(t, merchantPrefix+merchant, fmt.Sprintf(`{"authorizer_access_token":%q}`, s.wechat.Rotate(merchant)))
}

// bind binds the uid to the merchant.
func (s *stack) bind(merchant, uid string) { s.wechat.Bind(merchant, wedatatest.Bound(uid)) }

// unbound waits until the uid is not bound to the merchant.
func (s *stack) unbound(t *testing.T, within time.Duration, merchant, uid string) {
	t.Helper()
	eventually(t, within, uid+" is not bound", func() bool { return !s.wechat.bound(merchant, uid) })
}

// invoke invokes the function with the event, synchronously.
func (s *stack) invoke(t *testing.T, event string) *lambda.InvokeOutput {
	t.Helper()
	out, err := lambda.NewFromConfig(s.config).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(s.outputs["FunctionName"]), Payload: []byte(event),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *stack) send(t *testing.T, url, body string) {
	t.Helper()
	_, err := sqs.NewFromConfig(s.config).SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
}

// sendDeadLetter puts a departure of the uid into the dead-letter queue.
func (s *stack) sendDeadLetter(t *testing.T, uid string, attributes map[string]string) {
	t.Helper()
	values := map[string]sqstypes.MessageAttributeValue{}
	for name, value := range attributes {
		values[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err := sqs.NewFromConfig(s.config).SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: aws.String(s.outputs["DeadLetterQueueUrl"]), MessageBody: aws.String(bare("wx0123456789abcdef", uid)),
		MessageAttributes: values,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inQueue counts the messages of a queue, including those in flight.
func (s *stack) inQueue(t *testing.T, url string) int {
	t.Helper()
	out, err := sqs.NewFromConfig(s.config).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range []string{"", "NotVisible", "Delayed"} {
		var some int
		fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"+name], &some)
		n += some
	}
	return n
}

// takeDeadLetter waits for the dead letter of the merchant and deletes it from the queue.
func (s *stack) takeDeadLetter(t *testing.T, within time.Duration, merchant string) sqstypes.Message {
	t.Helper()
	client, url := sqs.NewFromConfig(s.config), s.outputs["DeadLetterQueueUrl"]
	var found sqstypes.Message
	eventually(t, within, "a dead letter of "+merchant, func() bool {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}, VisibilityTimeout: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(out.Messages, func(m sqstypes.Message) bool { return attribute(m, "merchant") == merchant })
		if i < 0 {
			return false
		}
		found = out.Messages[i]
		_, err = client.DeleteMessage(t.Context(),
			&sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: found.ReceiptHandle})
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return found
}

func attribute(m sqstypes.Message, name string) string {
	return aws.ToString(m.MessageAttributes[name].StringValue)
}

// log returns the lines of the function's log.
func (s *stack) log(t *testing.T) []string {
	t.Helper()
	var lines []string
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(cloudwatchlogs.NewFromConfig(s.config),
		&cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(s.outputs["FunctionLogGroup"])})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range page.Events {
			lines = append(lines, strings.Split(strings.TrimSpace(*event.Message), "\n")...)
		}
	}
	return lines
}

// outcome is the log line of a departure.
type outcome struct {
	Message  string
	Level    string
	Status   string
	Merchant string
	UID      string
	UIDHash  string `json:"uid_hash"`
	ErrCode  int
	Class    string
	Trigger  string
	Reason   string
	AgeS     float64 `json:"age_s"`
}

// outcomes returns the logged outcomes of the merchant, oldest first.
func (s *stack) outcomes(t *testing.T, merchant string) []outcome {
	t.Helper()
	var found []outcome
	for _, line := range s.log(t) {
		var o outcome
		if json.Unmarshal([]byte(line), &o) == nil && o.Message == "outcome" && o.Merchant == merchant {
			found = append(found, o)
		}
	}
	return found
}

// logged waits until the merchant's last outcome in the log has the status, and returns it.
func (s *stack) logged(t *testing.T, within time.Duration, merchant, status string) outcome {
	t.Helper()
	var last outcome
	eventually(t, within, fmt.Sprintf("the outcome %s of %s in the log", status, merchant), func() bool {
		if all := s.outcomes(t, merchant); len(all) > 0 {
			last = all[len(all)-1]
		}
		return last.Status == status
	})
	return last
}
