package local

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreeAddrs returns n free addresses, host:port, as freePorts finds them.
func FreeAddrs(n int) ([]string, error) {
	ports, err := freePorts(n)
	if err != nil {
		return nil, err
	}
	addrs := make([]string, n)
	for i, port := range ports {
		addrs[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	return addrs, nil
}

// freePorts returns n free loopback ports, for programs that have to be told
// theirs. They are free now; another program may take one before it is used,
// which the start then reports. They lie below the range from which systems take
// the ports of outgoing connections: one of those could sit on a port while its
// program is not there yet, or is down.
func freePorts(n int) ([]int, error) {
	const first, last = 12000, 32000
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			if tries > 1000 {
				return nil, fmt.Errorf("looking for a free port: %w", err)
			}
			continue
		}
		// All stay open until all are found, so that none is found twice.
		defer func() { _ = l.Close() }()
		ports = append(ports, port)
	}
	return ports, nil
}
