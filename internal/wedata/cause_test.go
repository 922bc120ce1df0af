package wedata

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
)

func TestCauses(t *testing.T) {
	untrusted := x509.UnknownAuthorityError{}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"deadline":      {context.DeadlineExceeded, "timed out"},
		"dial timeout":  {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "timed out"},
		"cancelled":     {context.Canceled, "cancelled"},
		"no such host":  {&net.DNSError{IsNotFound: true}, "host name not found"},
		"DNS timeout":   {&net.DNSError{IsTimeout: true}, "DNS failure"},
		"certificate":   {&tls.CertificateVerificationError{Err: untrusted}, "certificate not accepted"},
		"no TLS":        {tls.RecordHeaderError{}, "not a TLS server"},
		"HTTP for TLS":  {http.ErrSchemeMismatch, "not a TLS server"},
		"refused":       {refused, "connection refused"},
		"refused proxy": {&net.OpError{Op: "proxyconnect", Err: refused}, "proxy: connection refused"},
		"reset":         {syscall.ECONNRESET, "connection closed by the other side"},
		"end":           {io.EOF, "connection closed by the other side"},
		"anything else": {errors.New("secret"), "network fault"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newCause(&url.Error{Err: fmt.Errorf("secret: %w", row.err)}, false)
			if err.Error() != row.want || !errors.Is(err, row.err) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}
