package outgoing

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/connectors"
)

func TestAddressesInsideTheNetworkAreRefused(t *testing.T) {
	g := newGuard(Options{})
	for address, want := range map[string]string{
		"127.0.0.1:80":                "loopback",
		"127.255.0.9:1":               "loopback",
		"[::1]:80":                    "loopback",
		"[::ffff:127.0.0.1]:80":       "loopback",
		"0.0.0.0:80":                  "unspecified",
		"[::]:80":                     "unspecified",
		"10.0.0.1:443":                "private network",
		"172.31.255.255:443":          "private network",
		"192.168.1.1:443":             "private network",
		"[::ffff:10.0.0.1]:80":        "private network",
		"[fc00::1]:80":                "private network",
		"[fd12:3456::1]:80":           "private network",
		"169.254.169.254:80":          "cloud metadata",
		"[::ffff:169.254.169.254]:80": "cloud metadata",
		"[fd00:ec2::254]:80":          "cloud metadata",
		"100.100.100.200:80":          "cloud metadata",
		"168.63.129.16:80":            "cloud metadata",
		"169.254.1.1:80":              "link-local",
		"[fe80::1]:80":                "link-local",
		"[fe80::1%eth0]:80":           "link-local",
		"100.64.0.1:80":               "carrier-grade NAT",
		"[64:ff9b::7f00:1]:80":        "NAT64",
		"[64:ff9b::a00:1]:80":         "NAT64",
		"[64:ff9b:1::1]:80":           "NAT64",
		"[2002:7f00:1::]:80":          "6to4",
		"[2001:0:7f00:1::]:80":        "Teredo",
		"224.0.0.1:80":                "multicast",
		"[ff02::1]:80":                "multicast",
		"192.0.2.1:80":                "documentation",
		"[2001:db8::1]:80":            "documentation",
		"198.18.0.1:80":               "reserved",
		"240.0.0.1:80":                "reserved",
		"255.255.255.255:80":          "reserved",
		"[::127.0.0.1]:80":            "reserved",
		"[100::1]:80":                 "reserved",
	} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}
		var blocked *blockedError
		if err := g.control(network, address, nil); !errors.As(err, &blocked) || blocked.class != want {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	for _, address := range []string{"8.8.8.8:443", "1.1.1.1:8443", "93.184.216.34:80"} {
		if err := g.control("tcp4", address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := g.control("tcp6", "[2606:2800:220:1:248:1893:25c8:1946]:443", nil); err != nil {
		t.Error(err)
	}
	for _, network := range []string{"udp4", "unix", "tcp"} {
		if g.control(network, "8.8.8.8:53", nil) == nil {
			t.Errorf("%s is let through", network)
		}
	}
}

// Whatever way an IPv4 address is written, the answer is that for the IPv4 address.
func TestMappedAddressesAreJudgedAsIPv4(t *testing.T) {
	g := newGuard(Options{Allow: []Allowed{{Prefix: netip.MustParsePrefix("10.1.0.0/16")}}})
	rapid.Check(t, func(t *rapid.T) {
		four := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")))
		six := netip.AddrFrom16(four.As16())
		if a, b := g.check(netip.AddrPortFrom(four, 80)), g.check(netip.AddrPortFrom(six, 80)); (a == nil) != (b == nil) {
			t.Fatalf("%s: %v, %s: %v", four, a, six, b)
		}
		nat64 := netip.MustParseAddr("64:ff9b::").As16()
		v4 := four.As4()
		copy(nat64[12:], v4[:])
		if g.check(netip.AddrPortFrom(netip.AddrFrom16(nat64), 80)) == nil {
			t.Fatalf("%s behind NAT64 is let through", four)
		}
	})
}

func TestAllowedNetworksAreLetThrough(t *testing.T) {
	for _, c := range []struct {
		allowed, address string
		ok               bool
	}{
		{"10.0.0.0/8", "10.1.2.3:80", true},
		{"10.0.0.0/8", "[::ffff:10.1.2.3]:80", true},
		{"10.0.0.0/8", "192.168.0.1:80", false},
		{"10.1.2.3", "10.1.2.3:9", true},
		{"10.1.2.3", "10.1.2.4:9", false},
		{"10.1.2.3:8080", "10.1.2.3:8080", true},
		{"10.1.2.3:8080", "10.1.2.3:8081", false},
		{"10.0.0.0/8:443", "10.9.9.9:443", true},
		{"10.0.0.0/8:443", "10.9.9.9:80", false},
		{"fd00::/8", "[fd00::1]:80", true},
		{"[fd00::/8]:443", "[fd00::1]:443", true},
		{"[fd00::/8]:443", "[fd00::1]:80", false},
		{"[::1]:80", "[::1]:80", true},
		{"::1", "[::1]:81", true},
	} {
		a, err := ParseAllowed(c.allowed)
		if err != nil {
			t.Errorf("%s: %v", c.allowed, err)
			continue
		}
		g := newGuard(Options{Allow: []Allowed{a}})
		if err := g.check(netip.MustParseAddrPort(c.address)); (err == nil) != c.ok {
			t.Errorf("allowed %s, dialling %s: %v", c.allowed, c.address, err)
		}
	}
	for _, text := range []string{"", "example.com", "10.0.0.0/33", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:99999", "[fd00::1", "[fd00::1]x", "[fd00::1]:", "fe80::1%eth0", "::ffff:10.0.0.0/104"} {
		if a, err := ParseAllowed(text); err == nil {
			t.Errorf("%q is read as %v", text, a)
		}
	}
}

func FuzzParseAllowed(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8:443", "[fd00::/8]:443", "::1", "10.1.2.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := ParseAllowed(text); err == nil && (!a.Prefix.IsValid() || a.Prefix.Addr().Is4In6()) {
			t.Errorf("%q is read as %v", text, a)
		}
	})
}

func get(t *testing.T, client *http.Client, address string) (Answer, *connectors.Error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing here may wait for an address that does not answer.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	answer, err := Send(ctx, client, Request{Doing: "asking", Method: http.MethodGet, URL: u})
	if err == nil {
		return answer, nil
	}
	e, ok := errors.AsType[*connectors.Error](err)
	if !ok {
		t.Fatalf("not a *connectors.Error: %v", err)
	}
	return answer, e
}

func TestNoSpellingOfAnInsideAddressIsReached(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	client := New(Options{})
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
		"10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "100.64.0.1",
	} {
		_, e := get(t, client, "http://"+host+":"+port)
		if e == nil || e.Kind != connectors.KindBlocked || e.Sent || e.Retry != connectors.RetryNever {
			t.Errorf("%s: %+v", host, e)
		}
	}
	// These are no addresses to Go's resolver, but are to others'.
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1"} {
		if _, e := get(t, client, "http://"+host+":"+port); e == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if reached {
		t.Error("a request passed the guard")
	}
}

func TestBlockedAddressSaysWhichSettingAllowsIt(t *testing.T) {
	_, e := get(t, New(Options{}), "http://127.0.0.1:1")
	for _, part := range []string{"asking: 127.0.0.1:1:", "127.0.0.1 is blocked (loopback)", "allows loopback"} {
		if e == nil || !strings.Contains(e.Message, part) {
			t.Errorf("%v does not hold %q", e, part)
		}
	}
}

func TestRedirectToABlockedAddressIsRefused(t *testing.T) {
	for _, to := range []string{"http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[::1]:1/", "http://localhost:1/"} {
		server := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
		port := netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://")).Port()
		client := New(Options{Allow: []Allowed{{Prefix: netip.MustParsePrefix("127.0.0.1/32"), Ports: []uint16{port}}}})
		_, e := get(t, client, server.URL)
		if e == nil || e.Kind != connectors.KindBlocked {
			t.Errorf("%s: %v", to, e)
		}
		server.Close()
	}
}

func TestProxyTakesEveryRequestButAddressesInside(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Host) }))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := New(Options{Proxy: address})
	defer client.CloseIdleConnections()
	if _, e := get(t, client, "http://example.com/"); e != nil {
		t.Error(e)
	}
	for _, inside := range []string{"http://10.0.0.1/", "http://localhost/", "http://a.localhost./", "http://[::1]:8080/"} {
		if _, e := get(t, client, inside); e == nil || e.Kind != connectors.KindBlocked {
			t.Errorf("%s: %v", inside, e)
		}
	}
	if len(asked) != 1 || asked[0] != "example.com" {
		t.Errorf("the proxy was asked for %v", asked)
	}
}

func TestEnvironmentsProxyIsNotUsed(t *testing.T) {
	asked := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	client := New(Options{AllowLoopback: true})
	defer client.CloseIdleConnections()
	if _, e := get(t, client, "http://name.invalid/"); e == nil || e.Kind != connectors.KindNetwork || e.Sent {
		t.Errorf("%+v", e)
	}
	if asked {
		t.Error("the request went to the environment's proxy")
	}
}

func TestOtherProtocolsDialThroughTheSameGuard(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for _, address := range []string{"127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "64:ff9b::7f00:1"} {
		_, err := NewDial(Options{})(t.Context(), "tcp", net.JoinHostPort(address, port))
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindBlocked || e.Retry != connectors.RetryNever || e.Sent {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, network := range []string{"unix", "udp", "ip"} {
		if _, err := NewDial(Options{AllowLoopback: true})(t.Context(), network, "/tmp/x"); connectors.AsError(err).Kind != connectors.KindBlocked {
			t.Errorf("%s: %v", network, err)
		}
	}
	conn, err := NewDial(Options{AllowLoopback: true})(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
