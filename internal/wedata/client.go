// Package wedata is a client of WeChat's We分析 (WeData). It unbinds a user, and lists the bound users, on a merchant's
// behalf.
//
// WeChat sends its errors with HTTP 200 and an errcode in the reply. A call succeeds only where the reply has errcode
// 0. Every other result is an [*Error], which holds neither the token nor the uid.
package wedata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// DefaultBaseURL is WeChat's own address.
	DefaultBaseURL = "https://api.weixin.qq.com"
	// DefaultTimeout bounds one call where [Config] does not.
	DefaultTimeout = 10 * time.Second
)

// Config configures a [Client]. The zero value calls WeChat itself.
type Config struct {
	// BaseURL is the API's address; "" means [DefaultBaseURL]. It may have a path, but no user info, query or
	// fragment. Because the token is in the URL, http is only for loopback hosts and host.docker.internal.
	BaseURL string
	// HTTPClient is copied, and the copy follows no redirect. Nil means a client that uses HTTPS_PROXY.
	HTTPClient *http.Client
	// Timeout bounds one call, from dialling to the reply's last byte. 0 means [DefaultTimeout].
	Timeout time.Duration
}

// Client calls We分析. It is safe for concurrent use, and it keeps connections open between calls.
type Client struct {
	base    string
	timeout time.Duration
	http    http.Client
	warm    <-chan struct{} // closed when the connection of Warm is open or cannot be; nil without Warm
	joined  atomic.Bool     // whether a call waits for it, or has waited
}

// New returns a client, or an error that names the member of cfg that cannot be used.
func New(cfg Config) (*Client, error) {
	base := cmp.Or(cfg.BaseURL, DefaultBaseURL)
	u, err := url.Parse(base)
	switch { // no error quotes the URL, which may hold a password
	case err != nil || u.Hostname() == "":
		return nil, errors.New("wedata: base URL is not an absolute URL such as " + DefaultBaseURL)
	case u.User != nil:
		return nil, errors.New("wedata: base URL has user info: leave it out")
	case strings.ContainsAny(base, "?#"):
		return nil, errors.New("wedata: base URL has a query or fragment: leave it out")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLocal(u.Hostname())):
		return nil, errors.New("wedata: base URL must begin with https, except on loopback and host.docker.internal")
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("wedata: timeout %v is negative", cfg.Timeout)
	}
	c := &Client{
		base:    strings.TrimRight(u.String(), "/"),
		timeout: cmp.Or(cfg.Timeout, DefaultTimeout),
		http:    *cmp.Or(cfg.HTTPClient, &http.Client{Transport: newTransport()}),
	}
	// A redirect would send the token to another host.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func isLocal(host string) bool {
	return host == "localhost" || host == "host.docker.internal" || net.ParseIP(host).IsLoopback()
}

// newTransport uses HTTP/1.1 only. Lambda freezes the process between invocations, and connections die meanwhile. On a
// dead HTTP/2 connection every call waits until its timeout. A dead HTTP/1.1 connection fails once and is replaced.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return &cause{words: fmt.Sprintf("the proxy refused to connect (HTTP %d)", resp.StatusCode)}
			}
			return nil
		},
	}
}

// UnbindUser unbinds uid from its WeChat ID and deletes that WeChat ID's We分析 membership. The membership of an
// administrator stays; the reply does not tell (WeChat docs, weDataUnbindUser). The token is the merchant's
// authorizer_access_token. The call may be repeated.
//
// An empty token, and a uid that is empty, not UTF-8 or has control characters, are refused as [BadInput] without a
// call. WeChat does not document its reply for a uid that is not bound.
func (c *Client) UnbindUser(ctx context.Context, token, uid string) error {
	op := operation{name: "unbind user", path: "/wedata/wedata_unbind_user", token: token, uid: uid, limit: 64 << 10}
	quoted, err := jsontext.AppendQuote(nil, uid) // encoding/json writes \u escapes, which WeChat refuses (47002)
	switch {
	case uid == "":
		return op.refuse("the uid is empty")
	case err != nil:
		return op.refuse("the uid is not UTF-8")
	case strings.ContainsFunc(uid, unicode.IsControl):
		return op.refuse("the uid has a control character")
	}
	op.body = `{"uid":` + string(quoted) + `}`
	_, err = c.post(ctx, op)
	return err
}

// QueryBindList returns who is or was bound to the merchant's We分析, in WeChat's order (WeChat docs,
// weDataQueryBindList): the entries for whose uid keep returns true, or all where keep is nil. The list has everyone
// who was ever bound and no pages, and is read as a stream; what is not kept takes no memory.
//
// An empty token is refused as [BadInput] without a call. A list in which any entry has no uid or no is_bind, or has
// one of them twice, is [Unclear].
func (c *Client) QueryBindList(ctx context.Context, token string, keep func(uid string) bool) ([]Binding, error) {
	return c.post(ctx, operation{
		name: "query bind list", path: "/wedata/wedata_query_bind_list",
		token: token, limit: 16 << 20, list: true, keep: keep,
	})
}

// operation is one request to WeChat. No error may hold its token or uid.
type operation struct {
	name, path string
	token, uid string
	body       string
	limit      int64                 // of the reply, in bytes
	list       bool                  // whether the reply must have one
	keep       func(uid string) bool // which entries of the list, nil for all
}

func (o operation) refuse(why string) error {
	return &Error{Op: o.name, Class: BadInput, Err: errors.New(why)}
}

// post sends the request and returns the list of a reply with errcode 0.
func (c *Client) post(ctx context.Context, op operation) ([]Binding, error) {
	if strings.TrimSpace(op.token) == "" {
		return nil, op.refuse("the token is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { answered.Store(true) }})

	// For a *strings.Reader net/http sends a Content-Length. Without one WeChat answers 412.
	target := c.base + op.path + "?access_token=" + url.QueryEscape(op.token)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(op.body))
	if err != nil {
		return nil, &Error{Op: op.name, Class: Network, Err: fmt.Errorf("no reply: %w", newCause(err, false))}
	}
	if op.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	// net/http does not send this header without a value, and repeats the request where a kept connection is dead.
	req.Header["Idempotency-Key"] = nil

	c.join(ctx)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Error{Op: op.name, Class: Network, Err: fmt.Errorf("no reply: %w", newCause(err, answered.Load()))}
	}
	defer resp.Body.Close()
	return op.readReply(resp)
}
