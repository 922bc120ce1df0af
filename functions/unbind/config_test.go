package main

import (
	"strings"
	"testing"
	"time"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestTheEnvironmentHasDefaults(t *testing.T) {
	cfg, err := readConfig(env(map[string]string{"WEDATA_SECRET_ID": "wedata/token"}))
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, cfg.zone)
	if cfg.secretID != "wedata/token" || cfg.trust || cfg.wedata.BaseURL != "" || !day.Equal(time.Date(2026, 11, 29, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", cfg)
	}
}

func TestTheEnvironmentIsRead(t *testing.T) {
	cfg, err := readConfig(env(map[string]string{
		"WEDATA_SECRET_ID":             "wedata/token",
		"WEDATA_BASE_URL":              "http://host.docker.internal:8080/base",
		"WEDATA_VERIFY":                "false",
		"UNBIND_QUEUE_URL":             "https://sqs.us-east-1.amazonaws.com/123456789012/unbind",
		"UNBIND_DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/unbind-dead",
		"UNBIND_UTC_OFFSET":            "-05:30",
		"HTTPS_PROXY":                  "http://user:password@proxy.example:3128",
	}))
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, cfg.zone)
	if !cfg.trust || !strings.HasSuffix(cfg.queueURL, "/unbind") || !strings.HasSuffix(cfg.deadLetterQueueURL, "/unbind-dead") || noon.UTC().Hour() != 17 {
		t.Errorf("got %+v", cfg)
	}
}

func TestAProxyIsWrittenAsEverywhere(t *testing.T) {
	for _, proxy := range []string{"10.0.0.1:3128", "proxy.example:3128", "socks5://proxy.example:1080", "https://proxy.example"} {
		if _, err := readConfig(env(map[string]string{"WEDATA_SECRET_ID": "wedata/token", "HTTPS_PROXY": proxy})); err != nil {
			t.Errorf("%s: %v", proxy, err)
		}
	}
}

func TestAllFaultsOfTheEnvironmentAreNamedAtOnce(t *testing.T) {
	_, err := readConfig(env(map[string]string{
		"WEDATA_BASE_URL":              "http://api.weixin.qq.com",
		"WEDATA_VERIFY":                "no",
		"UNBIND_QUEUE_URL":             "unbind",
		"UNBIND_DEAD_LETTER_QUEUE_URL": "arn:aws:sqs:us-east-1:123456789012:dead",
		"UNBIND_UTC_OFFSET":            "8",
		"HTTPS_PROXY":                  "http://user:swordfish@%zz",
	}))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"WEDATA_SECRET_ID: missing", "WEDATA_BASE_URL: wedata: base URL must begin with https",
		`WEDATA_VERIFY: wanted true or false`, "UNBIND_QUEUE_URL: not a URL", "UNBIND_DEAD_LETTER_QUEUE_URL: not a URL",
		"UNBIND_UTC_OFFSET: is not an offset such as +08:00", "HTTPS_PROXY: not the address of a proxy",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "swordfish") {
		t.Errorf("the proxy's password is told:\n%v", err)
	}
}
