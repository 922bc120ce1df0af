// Package wedata calls WeChat's We分析 (WeData) on a merchant's behalf: it unbinds a user, and lists who is bound.
//
// WeChat answers errors with HTTP 200 and tells them by the errcode in the reply; only a reply that says errcode 0 is a
// success here. Every other end of a call is an [*Error], which never tells the token nor the uid.
package wedata

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// DefaultBaseURL is WeChat's own address.
	DefaultBaseURL = "https://api.weixin.qq.com"
	// DefaultTimeout bounds one call where [Config] does not.
	DefaultTimeout = 10 * time.Second

	unbindPath = "/wedata/wedata_unbind_user"
	listPath   = "/wedata/wedata_query_bind_list"

	// An unbinding is answered in a few hundred bytes. The list has no pages and keeps everyone who was ever bound.
	unbindLimit = 64 << 10
	listLimit   = 16 << 20
)

// Config is what a [Client] is made of. The zero value calls WeChat itself.
type Config struct {
	// BaseURL is where the API lives, "" meaning [DefaultBaseURL]. A path is allowed, user info, query and fragment are
	// not; http is for loopback hosts and host.docker.internal alone, since the token travels in the URL.
	BaseURL string
	// HTTPClient is copied, and never follows a redirect. Nil means a client of its own, which honours HTTPS_PROXY.
	HTTPClient *http.Client
	// Timeout bounds one call from dialling to the reply's last byte, 0 meaning [DefaultTimeout].
	Timeout time.Duration
}

// Client calls We分析. It is safe for concurrent use and keeps its connections open between calls.
type Client struct {
	base    string
	http    http.Client
	timeout time.Duration
}

// New returns a client, or an error that names the member of cfg which cannot be used.
func New(cfg Config) (*Client, error) {
	base, err := parseBaseURL(cmp.Or(cfg.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, fmt.Errorf("wedata: base URL %w", err)
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("wedata: timeout %v is negative", cfg.Timeout)
	}
	c := &Client{base: base, timeout: cmp.Or(cfg.Timeout, DefaultTimeout)}
	if cfg.HTTPClient != nil {
		c.http = *cfg.HTTPClient
	} else {
		c.http.Transport = newTransport()
	}
	// A redirect would carry the token to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// parseBaseURL returns the URL without a slash at its end. Its errors do not quote the URL, which may hold a password.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "":
		return "", errors.New("is not an absolute URL such as " + DefaultBaseURL)
	case u.User != nil:
		return "", errors.New("has user info: leave it out")
	case strings.ContainsAny(s, "?#"):
		return "", errors.New("has a query or fragment: leave it out")
	case u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())):
		return "", errors.New("must begin with https: http is for loopback hosts and host.docker.internal alone")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func local(host string) bool {
	return host == "localhost" || host == "host.docker.internal" || net.ParseIP(host).IsLoopback()
}

// newTransport speaks HTTP/1.1 alone: Lambda freezes between invocations, and an HTTP/2 connection that died meanwhile
// would go on taking requests, each to its timeout. An HTTP/1.1 one fails once and is replaced.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
	}
}

// escapes are the two that JSON asks for in UTF-8 without control characters. encoding/json writes \u escapes for more,
// which WeChat refuses (47002).
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// UnbindUser unbinds uid from its WeChat ID and deletes that WeChat ID's We分析 membership; an administrator's membership
// stays, which the reply does not tell (WeChat docs, weDataUnbindUser). The token is the merchant's
// authorizer_access_token. To call it again does no harm.
//
// Every error is an [*Error]. An empty token, and a uid that is empty, not UTF-8 or holds control characters, are
// refused as [BadInput] without a call. WeChat does not document what it replies for a uid that is not bound.
func (c *Client) UnbindUser(ctx context.Context, token, uid string) error {
	call := call{op: "unbind user", path: unbindPath, token: token, uid: uid, limit: unbindLimit}
	switch {
	case uid == "":
		return call.refuse("the uid is empty")
	case !utf8.ValidString(uid):
		return call.refuse("the uid is not UTF-8")
	case strings.ContainsFunc(uid, unicode.IsControl):
		return call.refuse("the uid holds a control character")
	}
	call.body = `{"uid":"` + escapes.Replace(uid) + `"}`
	_, err := c.post(ctx, call)
	return err
}

// QueryBindList returns everyone who is or was bound to the merchant's We分析, in WeChat's order; there are no pages
// (WeChat docs, weDataQueryBindList). Every error is an [*Error]; an empty token is refused as [BadInput].
func (c *Client) QueryBindList(ctx context.Context, token string) ([]Binding, error) {
	call := call{op: "query bind list", path: listPath, token: token, limit: listLimit}
	reply, err := c.post(ctx, call)
	if err != nil {
		return nil, err
	}
	bindings, err := reply.bindings()
	if err != nil {
		return nil, &Error{Op: call.op, HTTPStatus: reply.status, Class: Unclear, Err: err}
	}
	return bindings, nil
}

// call is one request to WeChat, and what its errors must not tell.
type call struct {
	op, path   string
	token, uid string
	body       string
	limit      int // of the reply, in bytes
}

func (c call) refuse(why string) error {
	return &Error{Op: c.op, Class: BadInput, Err: errors.New(why)}
}

// post makes the call and returns the reply, which said errcode 0.
func (c *Client) post(ctx context.Context, call call) (reply, error) {
	if strings.TrimSpace(call.token) == "" {
		return reply{}, call.refuse("the token is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	secrets := veil{call.token, call.uid}

	// A reader of this kind makes net/http send a Content-Length, without which WeChat answers 412.
	target := c.base + call.path + "?access_token=" + url.QueryEscape(call.token)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(call.body))
	if err != nil {
		return reply{}, &Error{Op: call.op, Class: Network, Err: secrets.cause(err)}
	}
	if call.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	// Present but empty, this is not sent, yet lets net/http repeat the call where a kept connection turns out dead.
	req.Header["Idempotency-Key"] = nil

	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, &Error{Op: call.op, Class: Network, Err: secrets.cause(err)}
	}
	defer resp.Body.Close()
	r, fault := readReply(resp, call.limit, secrets)
	if fault != nil {
		fault.Op = call.op
		return reply{}, fault
	}
	return r, nil
}
