package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/schedule"
	"wedata-unbind/internal/wedata"
)

// config has the environment of the function.
type config struct {
	secretID           string
	wedata             wedata.Config
	trust              bool
	sourcesSecretID    string
	queueURL           string
	deadLetterQueueURL string
	schedule           schedule.Config
	zone               *time.Location
}

// readConfig reads the environment. An empty variable counts as not set. The error names every faulty variable, and
// shows no value.
func readConfig(getenv func(string) string) (config, error) {
	cfg := config{
		secretID:           getenv("WEDATA_SECRET_ID"),
		wedata:             wedata.Config{BaseURL: getenv("WEDATA_BASE_URL")},
		sourcesSecretID:    getenv("UNBIND_SOURCES_SECRET_ID"),
		queueURL:           getenv("UNBIND_QUEUE_URL"),
		deadLetterQueueURL: getenv("UNBIND_DEAD_LETTER_QUEUE_URL"),
		schedule: schedule.Config{
			Group:              getenv("UNBIND_SCHEDULE_GROUP"),
			RoleARN:            getenv("UNBIND_SCHEDULE_ROLE_ARN"),
			QueueARN:           getenv("UNBIND_QUEUE_ARN"),
			DeadLetterQueueARN: getenv("UNBIND_DEAD_LETTER_QUEUE_ARN"),
		},
	}
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf(name+": "+format, args...))
	}
	if strings.TrimSpace(cfg.secretID) == "" {
		fault("WEDATA_SECRET_ID", "missing: the name or ARN of the secret with the authorizer_access_token")
	}
	if _, err := wedata.New(cfg.wedata); err != nil {
		fault("WEDATA_BASE_URL", "%w", err)
	}
	switch getenv("WEDATA_VERIFY") {
	case "", "true":
	case "false":
		cfg.trust = true
	default:
		fault("WEDATA_VERIFY", "wanted true or false")
	}
	for name, value := range map[string]string{
		"UNBIND_QUEUE_URL":             cfg.queueURL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": cfg.deadLetterQueueURL,
	} {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			fault(name, "not a URL that starts with https:// or http://")
		}
	}
	// Without this check, net/http would use no proxy if it cannot read the address. It also accepts host:port without
	// a scheme. The value may hold a password, so the error does not show it.
	proxy := getenv("HTTPS_PROXY")
	_, err := url.Parse(proxy)
	if _, bareErr := url.Parse("http://" + proxy); err != nil && bareErr != nil {
		fault("HTTPS_PROXY", "not the address of a proxy, such as http://proxy.example:3128")
	}
	if cfg.zone, err = departure.ParseOffset(cmp.Or(getenv("UNBIND_UTC_OFFSET"), "+08:00")); err != nil {
		fault("UNBIND_UTC_OFFSET", "%w", err)
	}
	return cfg, errors.Join(faults...)
}
