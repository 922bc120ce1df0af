package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"wedata-unbind/internal/queue"
)

// Regression of issue 9, number 27: each of these could be removed from template.yaml with all tests green, and
// departures would be lost on AWS.
func TestTheTemplateLosesNothing(t *testing.T) {
	resources := templateResources(t)
	timeout, err := strconv.Atoi(show(at(resources, "UnbindFunction.Properties.Timeout")))
	if err != nil {
		t.Fatal(err)
	}
	const function, undelivered = "UnbindFunction.Properties.", "!GetAtt UnbindQueue.Arn"
	for _, tc := range []struct{ name, path, want, without string }{
		{
			"partial batches", function + "Events.Queue.Properties.FunctionResponseTypes", "[ReportBatchItemFailures]",
			"Lambda takes the reply for a success and deletes messages that are not done",
		},
		{"the trigger reads the queue", function + "Events.Queue.Properties.Queue", undelivered, "nothing is tried again"},
		{
			"failed asynchronous events", function + "EventInvokeConfig.DestinationConfig.OnFailure",
			"{Type: SQS, Destination: " + undelivered + "}",
			"Lambda drops an event of SNS or EventBridge after three failed invocations",
		},
		{
			"what SNS cannot deliver", function + "Events.Topic.Properties.RedrivePolicy",
			"{deadLetterTargetArn: " + undelivered + "}",
			"SNS drops what it cannot deliver",
		},
		{
			"what EventBridge cannot deliver", "BusRule.Properties.Targets.0.DeadLetterConfig", "{Arn: " + undelivered + "}",
			"EventBridge drops what it cannot deliver",
		},
		{
			"the queue's tries", "UnbindQueue.Properties.RedrivePolicy",
			fmt.Sprintf("{deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn, maxReceiveCount: %d}", queue.MaxReceives),
			"the function and SQS disagree on the last try, or a message is tried until it is deleted",
		},
		{
			"visibility", "UnbindQueue.Properties.VisibilityTimeout", strconv.Itoa(6 * timeout),
			"a message comes back while it is worked on; Lambda asks for 6 × the function's timeout",
		},
		{
			"time to redrive", "DeadLetterQueue.Properties.MessageRetentionPeriod", strconv.Itoa(14 * 24 * 60 * 60),
			"SQS deletes dead letters earlier than docs/operations.md says",
		},
		{
			"time to try", "UnbindQueue.Properties.MessageRetentionPeriod", strconv.Itoa(7 * 24 * 60 * 60),
			"SQS deletes what waits for its next try, or for the trigger to be enabled again",
		},
		{
			"messages of an invocation", function + "Events.Queue.Properties.BatchSize", "10",
			"one slow departure delays many others",
		},
		{
			"large messages", "UnbindQueue.Properties.MaximumMessageSize", strconv.Itoa(1 << 20),
			"SQS may refuse failed events of more than 256 KiB",
		},
		{
			"large dead letters", "DeadLetterQueue.Properties.MaximumMessageSize", strconv.Itoa(1 << 20),
			"SQS may refuse dead letters of more than 256 KiB",
		},
		{"long chains", function + "RecursiveLoop", "Allow", "Lambda drops a message whose chain has about 16 invocations"},
		{
			"the queue's address", function + "Environment.Variables.UNBIND_QUEUE_URL", "!Ref UnbindQueue",
			"what is not done cannot be kept",
		},
		{
			"the dead-letter queue's address", function + "Environment.Variables.UNBIND_DEAD_LETTER_QUEUE_URL",
			"!Ref DeadLetterQueue", "what somebody must act on cannot be kept",
		},
		{
			"the check is not tried again", "RegularCheck.Properties.Target.RetryPolicy", "{MaximumRetryAttempts: 0}",
			"one fault is many failed checks",
		},
		{"the check is no departure", "RegularCheck.Properties.GroupName", "", "action scheduled cannot read it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(at(resources, tc.path)); got != tc.want {
				t.Errorf("template.yaml: %s is %q, want %q; else %s", tc.path, got, tc.want, tc.without)
			}
		})
	}
}

// A message in the dead-letter queue is a person who may still be bound. SQS and Scheduler move messages there without a
// line of the log, so that no other alarm counts them.
func TestEachDeadLetterRaisesAnAlarm(t *testing.T) {
	resources := templateResources(t)
	for _, tc := range []struct{ alarm, period, periods, of string }{
		{"DeadLettersAlarm", "300", "1", ""},
		{"OldDeadLettersAlarm", "3600", "72", "72"}, // not empty for 3 days
	} {
		for member, want := range map[string]string{
			"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum",
			"Dimensions": "[{Name: QueueName, Value: !GetAtt DeadLetterQueue.QueueName}]",
			"Threshold":  "0", "ComparisonOperator": "GreaterThanThreshold", "Period": tc.period,
			"EvaluationPeriods": tc.periods, "DatapointsToAlarm": tc.of,
			"AlarmActions": "[!If [MailAlarms, !Ref AlarmTopic, !Ref AlarmTopicArn]]",
		} {
			if got := show(at(resources, tc.alarm+".Properties."+member)); got != want {
				t.Errorf("%s: %s is %q, want %q", tc.alarm, member, got, want)
			}
		}
		if got := show(at(resources, tc.alarm+".Condition")); got != "RaiseAlarms" {
			t.Errorf("%s: its condition is %q", tc.alarm, got)
		}
	}
}

// queryNames returns the names of the saved queries in the template.
func queryNames(t *testing.T) []string {
	t.Helper()
	var names []string
	resources := templateResources(t)
	for i := 1; i < len(resources.Content); i += 2 {
		if query := resources.Content[i]; show(at(query, "Type")) == "AWS::Logs::QueryDefinition" {
			names = append(names, strings.TrimPrefix(show(at(query, "Properties.Name")), "!Sub ${AWS::StackName}/"))
		}
	}
	return names
}

func TestEachSavedQueryHasItsLogGroupAndTheEvent(t *testing.T) {
	resources := templateResources(t)
	for i := 1; i < len(resources.Content); i += 2 {
		query := resources.Content[i]
		if show(at(query, "Type")) != "AWS::Logs::QueryDefinition" {
			continue
		}
		name, text := show(at(query, "Properties.Name")), show(at(query, "Properties.QueryString"))
		if groups := show(at(query, "Properties.LogGroupNames")); groups != "[!Ref FunctionLog]" {
			t.Errorf("%s: the log groups are %s", name, groups)
		}
		for _, field := range []string{"source", "event_id", "class"} {
			// Lambda's own lines, which Invocations counts, have none of them.
			if !strings.Contains(text, field) && !strings.HasSuffix(name, "/Invocations") {
				t.Errorf("%s: lacks %s", name, field)
			}
		}
		// The outcome of a dry run may be unbound: the uid was unbound before.
		if strings.Contains(text, `message = "outcome"`) && !strings.Contains(text, "not ispresent(dry_run)") {
			t.Errorf("%s: takes dry runs for outcomes", name)
		}
	}
}

// Events that name nobody have one uid_hash, the empty one: an ignored event must not hide one that failed before it.
func TestEventsThatNameNobodyHideNoOther(t *testing.T) {
	resources := templateResources(t)
	latest := show(at(resources, "LatestQuery.Properties.QueryString"))
	// "Log events with null values for any of the specified fields are retained" (CloudWatch Logs User Guide, dedup).
	if !strings.Contains(latest, "| parse uid_hash /(?<person>.+)/") || !strings.Contains(latest, "| dedup person, merchant") {
		t.Errorf("Latest status is\n%s", latest)
	}
	_, failed, _ := strings.Cut(show(at(resources, "Dashboard.Properties.DashboardBody")), `"title": "Failed"`)
	failed, _, _ = strings.Cut(failed, "| stats")
	if !strings.Contains(failed, "| filter uid_hash != '' or status = 'failed'") {
		t.Errorf("the query of Failed is %s", failed)
	}
}

func TestEachAlarmNamesASavedQuery(t *testing.T) {
	names := queryNames(t)
	for name, alarm := range readTemplate(t).Alarms {
		_, query, _ := strings.Cut(alarm.Description, "Saved query: ")
		if !slices.Contains(names, strings.TrimSuffix(query, ".")) {
			t.Errorf("%s: there is no saved query %s", name, query)
		}
	}
}

func TestAuditsNameSavedQueries(t *testing.T) {
	page, names := read(t, filepath.Join("..", "..", "docs", "audit.md")), queryNames(t)
	for _, match := range regexp.MustCompile(`query \*([^*]+)\*`).FindAllStringSubmatch(page, -1) {
		if !slices.Contains(names, match[1]) {
			t.Errorf("there is no saved query %s", match[1])
		}
	}
}

func TestATokenServerMayWriteAndNothingElse(t *testing.T) {
	statements := at(templateResources(t), "TokenWriter.Properties.PolicyDocument.Statement")
	const secret = "!Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
	if got, want := show(at(statements, "0")), "{Sid: WriteTokens, Effect: Allow, Action: secretsmanager:PutSecretValue, Resource: ["+
		secret+"${WedataSecretName}-??????, !If [ReadMerchantSecrets, "+secret+"${MerchantSecretPrefix}*, !Ref AWS::NoValue]]}"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const key = "!If [DecryptSecrets, {Sid: EncryptTokens, Effect: Allow, Action: [kms:GenerateDataKey, kms:Decrypt], " +
		"Resource: !Ref SecretsKeyArn, Condition: {StringEquals: {kms:ViaService: ["
	if got := show(at(statements, "1")); !strings.HasPrefix(got, key) || len(statements.Content) != 2 {
		t.Errorf("got %d statements, the second is %s", len(statements.Content), got)
	}
}

// A screen has 24 columns; about 14 rows are seen without scrolling.
func TestTheDashboardIsOneScreen(t *testing.T) {
	var board struct {
		Widgets []struct {
			X, Y, Width, Height int
			Properties          struct{ Title, Query string }
		}
	}
	body := strings.TrimPrefix(show(at(templateResources(t), "Dashboard.Properties.DashboardBody")), "!Sub ")
	if err := json.Unmarshal([]byte(body), &board); err != nil {
		t.Fatal(err)
	}
	rows := map[int]string{}
	for _, w := range board.Widgets {
		if w.X+w.Width > 24 || w.Y+w.Height > 14 {
			t.Errorf("%s is at %d, %d", w.Properties.Title, w.X+w.Width, w.Y+w.Height)
		}
		rows[w.Y] += "| " + w.Properties.Title + " "
	}
	if !strings.HasPrefix(rows[0], "| Unbound today | To be tried again | Failed | Scheduled or cancelled") {
		t.Errorf("the first row is %s", rows[0])
	}
	page := sectionOf(t, filepath.Join("..", "..", "docs", "operations.md"), "The dashboard")
	if want := rows[0] + "|\n|---|---|---|---|\n" + rows[7] + "|\n"; !strings.Contains(page, want) {
		t.Errorf("the page does not show\n%s", want)
	}
}

func templateResources(t *testing.T) *yaml.Node {
	t.Helper()
	var template struct {
		Resources yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join("..", "..", "template.yaml"))), &template); err != nil {
		t.Fatal(err)
	}
	return &template.Resources
}

// at returns the node at a path of names and, for lists, indexes; nil where there is none.
func at(node *yaml.Node, path string) *yaml.Node {
	for step := range strings.SplitSeq(path, ".") {
		var next *yaml.Node
		switch node.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(node.Content); i += 2 {
				if node.Content[i].Value == step {
					next = node.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
				next = node.Content[i]
			}
		}
		if node = next; node == nil {
			return nil
		}
	}
	return node
}

// show returns a node on one line, with CloudFormation's tags.
func show(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	var text string
	switch node.Kind {
	case yaml.MappingNode:
		var members []string
		for i := 0; i < len(node.Content); i += 2 {
			members = append(members, node.Content[i].Value+": "+show(node.Content[i+1]))
		}
		text = "{" + strings.Join(members, ", ") + "}"
	case yaml.SequenceNode:
		var items []string
		for _, item := range node.Content {
			items = append(items, show(item))
		}
		text = "[" + strings.Join(items, ", ") + "]"
	default:
		text = node.Value
	}
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		text = node.Tag + " " + text
	}
	return text
}
