package ingest

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Certificates fetches the certificates that senders name by their address,
// and keeps them. It fetches one at a time and no more than a few in a minute,
// so that a stranger who names many addresses makes it call nobody often. It
// is safe for concurrent use.
type Certificates struct {
	client *http.Client
	roots  *x509.CertPool

	fetching sync.Mutex // held while one is fetched
	mu       sync.Mutex
	known    map[string]*fetched
	recent   []time.Time // when the last ones were fetched
}

type fetched struct {
	public crypto.PublicKey
	err    error
	until  time.Time
}

const (
	maxCertificates     = 32               // kept
	certificateSize     = 64 << 10         // of a file, at most
	certificateLife     = 24 * time.Hour   // kept for
	certificateFailure  = 30 * time.Second // until a failed one is tried again
	certificatesAMinute = 10
	certificatePatience = 5 * time.Second
)

// NewCertificates makes a place that certificates come from. A nil client is
// one that follows no redirect; nil roots are the system's.
func NewCertificates(client *http.Client, roots *x509.CertPool) *Certificates {
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	return &Certificates{client: client, roots: roots, known: map[string]*fetched{}}
}

// signer is the key of the certificate that a request names; nil when one is
// pinned. The address is checked before anything is fetched.
func (v *Verifier) signer(header func(string) [][]byte, now time.Time) (crypto.PublicKey, error) {
	s := &v.scheme
	pinned := v.keys[0].public != nil
	value, err := only(header, s.CertificateHeader)
	if err != nil {
		if pinned && len(header(s.CertificateHeader)) == 0 {
			return nil, nil
		}
		return nil, err
	}
	address := string(value)
	if err := checkAddress(address, s.CertificateHost); err != nil {
		return nil, &Unproven{ReasonSignatureForm, s.CertificateHeader + ": " + err.Error()}
	}
	if pinned {
		return nil, nil
	}
	public, err := v.certificates.key(address, s.CertificateHost, now)
	if err != nil {
		return nil, &Unproven{ReasonSignature, "the certificate that " + s.CertificateHeader + " names: " + err.Error()}
	}
	return public, nil
}

// checkAddress wants https on a host or below it, on the usual port, and
// nothing that could make a reader of URLs see another host.
func checkAddress(address, host string) error {
	u, err := url.Parse(address)
	name := ""
	if err == nil {
		name = strings.ToLower(u.Hostname())
	}
	switch {
	case err != nil || len(address) > 500 || strings.ContainsAny(address, "\\\t\r\n @#"):
		return errors.New("not a plain URL")
	case u.Scheme != "https":
		return errors.New("not an https URL")
	case name != host && !strings.HasSuffix(name, "."+host):
		return fmt.Errorf("not on %s: it is not fetched", host)
	case u.User != nil || u.Port() != "" && u.Port() != "443":
		return fmt.Errorf("not on %s's usual port", host)
	}
	return nil
}

// key gives the public key of the certificate at an address that was checked.
func (c *Certificates) key(address, host string, now time.Time) (crypto.PublicKey, error) {
	if f := c.lookUp(address); f != nil {
		return f.public, f.err
	}
	c.fetching.Lock()
	defer c.fetching.Unlock()
	if f := c.lookUp(address); f != nil {
		return f.public, f.err
	}
	if !c.mayFetch() {
		return nil, errors.New("too many were asked for: send it again later")
	}
	f := &fetched{until: time.Now().Add(certificateLife)}
	if f.public, f.err = c.fetch(address, host, now); f.err != nil {
		f.until = time.Now().Add(certificateFailure)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCertificates {
		for a := range c.known { // any one
			delete(c.known, a)
			break
		}
	}
	c.known[address] = f
	return f.public, f.err
}

func (c *Certificates) lookUp(address string) *fetched {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.known[address]
	if f == nil || time.Now().After(f.until) {
		return nil
	}
	return f
}

func (c *Certificates) mayFetch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.recent) > 0 && now.Sub(c.recent[0]) > time.Minute {
		c.recent = c.recent[1:]
	}
	if len(c.recent) >= certificatesAMinute {
		return false
	}
	c.recent = append(c.recent, now)
	return true
}

func (c *Certificates) fetch(address, host string, now time.Time) (crypto.PublicKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), certificatePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, errors.New("could not be fetched")
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("could not be fetched: status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, certificateSize+1))
	if err != nil || len(text) > certificateSize {
		return nil, errors.New("could not be read")
	}
	return c.trusted(text, host, now)
}

// trusted is the key of the first certificate in PEM, which the others may
// link to a root.
func (c *Certificates) trusted(text []byte, host string, now time.Time) (crypto.PublicKey, error) {
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("not a certificate")
		}
		if leaf == nil {
			leaf = certificate
		} else {
			between.AddCert(certificate)
		}
	}
	if leaf == nil {
		return nil, errors.New("not a certificate in PEM")
	}
	public, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok || public.N.BitLen() < 2048 {
		return nil, errors.New(wantKey["rsa"])
	}
	names := leaf.DNSNames
	if len(names) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	belongs := false
	for _, name := range names {
		name = strings.ToLower(name)
		belongs = belongs || name == host || strings.HasSuffix(name, "."+host)
	}
	if !belongs {
		return nil, errors.New("not issued to " + host)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, errors.New("not issued by an authority that is trusted, or not valid at this time")
	}
	return public, nil
}
