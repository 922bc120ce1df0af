package lambdatest

import (
	"sync"
	"time"
)

// SecretsManager stands in for AWS Secrets Manager. It is an [http.Handler] that answers GetSecretValue by name.
type SecretsManager struct {
	endpoint

	mu      sync.Mutex
	secrets map[string]map[string]any // by name: what GetSecretValue returns
	reads   map[string]int
}

type secretInput struct {
	SecretID string `json:"SecretId"`
}

// NewSecretsManager returns a stand-in without secrets.
func NewSecretsManager() *SecretsManager {
	s := &SecretsManager{secrets: map[string]map[string]any{}, reads: map[string]int{}}
	s.operations = map[string]func([]byte) (any, *apiError){"GetSecretValue": s.getSecretValue}
	s.arrived = s.count
	return s
}

// Put writes a secret, as a new version.
func (s *SecretsManager) Put(name, value string) { s.put(name, "SecretString", value) }

// PutBinary writes a secret that has no text.
func (s *SecretsManager) PutBinary(name string, value []byte) { s.put(name, "SecretBinary", value) }

func (s *SecretsManager) put(name, member string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name] = map[string]any{
		"ARN":           "arn:aws:secretsmanager:" + Region + ":" + accountID + ":secret:" + name + "-AbCdEf",
		"Name":          name,
		"VersionId":     uuid(),
		"VersionStages": []string{"AWSCURRENT"},
		"CreatedDate":   float64(time.Now().UnixMilli()) / 1000,
		member:          value,
	}
}

// Delete removes a secret.
func (s *SecretsManager) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, name)
}

// Reads returns the number of requests for the secret. Failed requests and each attempt of an SDK client count too.
func (s *SecretsManager) Reads(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[name]
}

func (s *SecretsManager) count(input []byte) {
	var in secretInput
	if decode(input, &in) == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reads[in.SecretID]++
	}
}

func (s *SecretsManager) getSecretValue(input []byte) (any, *apiError) {
	var in secretInput
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if output := s.secrets[in.SecretID]; output != nil {
		return output, nil
	}
	return nil, &apiError{"ResourceNotFoundException", "Secrets Manager can't find the specified secret."}
}
