package outgoing

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard refuses addresses inside the network, after the name was resolved and before a packet leaves, so a name that
// changes its address between check and use gains nothing. Redirects pass through the same dialler.
type guard struct {
	allowed []Allowed
	ssrf    *ssrf.Guardian
}

func newGuard(o Options) *guard {
	allowed := slices.Clone(o.Allow)
	if o.AllowLoopback {
		allowed = append(allowed,
			Allowed{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
			Allowed{Prefix: netip.MustParsePrefix("::1/128")})
	}
	return &guard{
		allowed: allowed,
		ssrf: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(
			netip.MustParsePrefix("168.63.129.16/32"), // Azure's wire server: a public address that answers only inside
		)),
	}
}

// control is the net.Dialer's Control: it sees the address about to be dialled.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &blockedError{address: network, class: "not TCP"}
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{address: address, class: "not an IP address"}
	}
	return g.check(target)
}

func (g *guard) check(target netip.AddrPort) error {
	// ::ffff:10.0.0.1 is 10.0.0.1 on the wire, so it is judged as such; a zone only says which interface.
	addr := target.Addr().Unmap().WithZone("")
	for _, a := range g.allowed {
		if a.Prefix.Contains(addr) && (len(a.Ports) == 0 || slices.Contains(a.Ports, target.Port())) {
			return nil
		}
	}
	if err := g.ssrf.SafeAddr(addr); err != nil {
		return &blockedError{address: addr.String(), class: class(addr)}
	}
	return nil
}

// literal checks a URL whose host is an address or localhost: all that can be known when a proxy resolves the names.
func (g *guard) literal(r *http.Request) error {
	host := strings.TrimSuffix(strings.ToLower(r.URL.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	port, _ := strconv.ParseUint(r.URL.Port(), 10, 16)
	if port == 0 {
		port = 80
		if r.URL.Scheme == "https" {
			port = 443
		}
	}
	return g.check(netip.AddrPortFrom(addr, uint16(port)))
}

// blockedError says which address was refused and why. It never reached anything.
type blockedError struct{ address, class string }

func (e *blockedError) Error() string {
	setting := "the allow list of outgoing addresses"
	if e.class == classLoopback {
		setting = "the setting that allows loopback addresses, or by " + setting
	}
	return fmt.Sprintf("the address %s is blocked (%s); an operator can allow it by %s", e.address, e.class, setting)
}

const classLoopback = "loopback"

// class names what an address is for, for the message.
func class(a netip.Addr) string {
	in := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return netip.MustParsePrefix(p).Contains(a) })
	}
	switch {
	case a.IsLoopback():
		return classLoopback
	case a.String() == "168.63.129.16", in("169.254.169.254/32", "fd00:ec2::254/128", "100.100.100.200/32"):
		return "cloud metadata"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsPrivate():
		return "private network"
	case in("100.64.0.0/10"):
		return "carrier-grade NAT"
	case in("0.0.0.0/8", "::/128"):
		return "unspecified"
	case a.IsMulticast():
		return "multicast"
	case in("64:ff9b::/96", "64:ff9b:1::/48"):
		return "NAT64"
	case in("2002::/16"):
		return "6to4"
	case in("2001::/32"):
		return "Teredo"
	case in("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"):
		return "documentation"
	}
	return "reserved"
}

func parseAllowed(text string) (Allowed, error) {
	bad := fmt.Errorf("allowed address %q: write 10.0.0.0/8, 10.1.2.3:8080 or [fd00::/8]:443", text)

	network, port := text, ""
	if inner, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "]"); ok && strings.HasPrefix(text, "[") {
		network = inner
		if rest != "" {
			if port, ok = strings.CutPrefix(rest, ":"); !ok || port == "" {
				return Allowed{}, bad
			}
		}
	} else if strings.Count(text, ":") == 1 {
		network, port, _ = strings.Cut(text, ":")
		if port == "" {
			return Allowed{}, bad
		}
	}

	var a Allowed
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		addr, err := netip.ParseAddr(network)
		if err != nil || addr.Zone() != "" {
			return Allowed{}, bad
		}
		prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
	}
	if prefix.Addr().Is4In6() {
		return Allowed{}, errors.Join(bad, errors.New("IPv4 networks are written as IPv4"))
	}
	a.Prefix = prefix.Masked()
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Allowed{}, bad
		}
		a.Ports = []uint16{uint16(n)}
	}
	return a, nil
}
