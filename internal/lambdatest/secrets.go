package lambdatest

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

const secretARN = "arn:aws:secretsmanager:" + Region + ":" + AccountID + ":secret:"

// SecretsManager stands in for AWS Secrets Manager: an [http.Handler] that answers GetSecretValue, with the faults that
// are asked for by Fail.
type SecretsManager struct {
	endpoint
	// Now is the time at which secrets are written, [time.Now] if nil. It is to be set before the first use.
	Now func() time.Time

	mu      sync.Mutex
	secrets map[string]*secret
	reads   map[string]int
}

type secret struct {
	text    string
	binary  []byte
	version string
	written time.Time
}

type secretInput struct {
	SecretID     string `json:"SecretId"`
	VersionStage string
}

// NewSecretsManager returns one without secrets.
func NewSecretsManager() *SecretsManager {
	s := &SecretsManager{secrets: map[string]*secret{}, reads: map[string]int{}}
	s.target, s.contentType, s.messageKey = "secretsmanager", "application/x-amz-json-1.1", "Message"
	s.operations = map[string]func([]byte) (any, error){"GetSecretValue": s.getSecretValue}
	s.arrived = s.count
	return s
}

// Put writes a secret under its name, as a new version.
func (s *SecretsManager) Put(name, value string) { s.PutAt(name, value, s.now()) }

// PutAt is Put at a time of the caller's: the age of the secret.
func (s *SecretsManager) PutAt(name, value string, written time.Time) {
	s.put(name, &secret{text: value, version: uuid(), written: written})
}

// PutBinary writes a secret that has no text.
func (s *SecretsManager) PutBinary(name string, value []byte) {
	s.put(name, &secret{binary: value, version: uuid(), written: s.now()})
}

// Delete removes a secret.
func (s *SecretsManager) Delete(name string) { s.put(name, nil) }

// Reads returns how often the secret of that name was asked for, by name or by ARN. Every request counts, also one
// that failed and each attempt of an SDK client that tries again.
func (s *SecretsManager) Reads(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[name]
}

// SecretARN returns the ARN of the secret of that name, with the six characters that AWS adds to it.
func SecretARN(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("%s%s-%06x", secretARN, name, h.Sum32()&0xffffff)
}

func (s *SecretsManager) put(name string, v *secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v == nil {
		delete(s.secrets, name)
		return
	}
	s.secrets[name] = v
}

func (s *SecretsManager) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *SecretsManager) count(input []byte) {
	var in secretInput
	if decode(input, &in) == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reads[s.name(in.SecretID)]++
	}
}

func (s *SecretsManager) getSecretValue(input []byte) (any, error) {
	var in secretInput
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.name(in.SecretID)
	v := s.secrets[name]
	if v == nil || in.VersionStage != "" && in.VersionStage != "AWSCURRENT" {
		return nil, &apiError{"ResourceNotFoundException", "Secrets Manager can't find the specified secret."}
	}
	output := map[string]any{
		"ARN":           SecretARN(name),
		"Name":          name,
		"VersionId":     v.version,
		"VersionStages": []string{"AWSCURRENT"},
		"CreatedDate":   float64(v.written.UnixMilli()) / 1000,
	}
	if v.binary != nil {
		output["SecretBinary"] = v.binary
	} else {
		output["SecretString"] = v.text
	}
	return output, nil
}

// name finds the secret's name in a name or an ARN, with or without its last six characters.
func (s *SecretsManager) name(id string) string {
	rest, isARN := strings.CutPrefix(id, secretARN)
	if !isARN {
		return id
	}
	for name := range s.secrets {
		if id == SecretARN(name) {
			return name
		}
	}
	return rest
}
