// Command obvious is the function as one writes it in an afternoon: for each departure of an SNS or SQS event it reads
// the secret and calls WeChat. It verifies nothing, and what fails ends the invocation.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

type departure struct {
	UID      uids   `json:"uid"`
	Merchant string `json:"merchant"`
}

// uids is one uid or a list of them.
type uids []string

func (u *uids) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*u = uids{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(u))
}

type token struct {
	Value       string           `json:"authorizer_access_token"`
	Authorizers map[string]token `json:"authorizers"`
}

type function struct{ secrets *secretsmanager.Client }

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	lambda.Start(function{secretsmanager.NewFromConfig(cfg)}.handle)
}

func (f function) handle(ctx context.Context, event json.RawMessage) error {
	var envelope struct {
		Records []struct {
			SNS  events.SNSEntity `json:"Sns"`
			Body string           `json:"body"`
		}
	}
	if err := json.Unmarshal(event, &envelope); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	payloads := []string{string(event)}
	if len(envelope.Records) > 0 {
		payloads = nil
	}
	for _, r := range envelope.Records {
		payloads = append(payloads, r.SNS.Message+r.Body)
	}
	for _, payload := range payloads {
		if err := f.unbind(ctx, payload); err != nil {
			return err
		}
	}
	return nil
}

func (f function) unbind(ctx context.Context, payload string) error {
	var d departure
	if err := json.Unmarshal([]byte(payload), &d); err != nil {
		return fmt.Errorf("departure: %w", err)
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(os.Getenv("WEDATA_SECRET_ID"))}
	out, err := f.secrets.GetSecretValue(ctx, in)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	var secret token
	if err := json.Unmarshal([]byte(*out.SecretString), &secret); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	tokens := []string{secret.Value}
	if secret.Authorizers != nil {
		tokens = nil
		for _, merchant := range slices.Sorted(maps.Keys(secret.Authorizers)) {
			if d.Merchant == "" || d.Merchant == merchant {
				tokens = append(tokens, secret.Authorizers[merchant].Value)
			}
		}
	}
	for _, t := range tokens {
		for _, uid := range d.UID {
			if err := post(ctx, t, uid); err != nil {
				return err
			}
		}
	}
	return nil
}

func post(ctx context.Context, accessToken, uid string) error {
	body, err := json.Marshal(map[string]string{"uid": uid})
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	target := os.Getenv("WEDATA_BASE_URL") + "/wedata/wedata_unbind_user?access_token=" + url.QueryEscape(accessToken)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	defer reply.Body.Close()
	var answer struct {
		Errcode int    `json:"errcode"`
		Errmsg  string `json:"errmsg"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&answer); err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	if answer.Errcode != 0 {
		return fmt.Errorf("unbind: errcode %d: %s", answer.Errcode, answer.Errmsg)
	}
	return nil
}
