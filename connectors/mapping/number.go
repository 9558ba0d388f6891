package mapping

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// appendNumber writes f as JavaScript's Number.prototype.toString does.
func appendNumber(dst []byte, f float64) []byte {
	switch {
	case f == 0:
		return append(dst, '0') // also -0
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go pads the exponent to two digits, JavaScript does not.
	if n := len(dst); n-start >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

func formatNumber(f float64) string {
	var buf [32]byte
	return string(appendNumber(buf[:0], f))
}

// numberOf returns f as a Number; a value that is not finite has none.
func numberOf(f float64) (Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("JSON has no number for %s", formatNumber(f))
	}
	return Number(formatNumber(f)), nil
}

// parseNumber reads the text of a JSON number as JavaScript does: what is too
// large is infinite, what is too small is zero.
func parseNumber(n Number) float64 {
	s := string(n)
	if len(s) <= 15 {
		if f, ok := parseSmallInt(s); ok {
			return f
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

func parseSmallInt(s string) (float64, bool) {
	i := 0
	if s != "" && s[0] == '-' {
		i = 1
	}
	if i == len(s) {
		return 0, false
	}
	n := int64(0)
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if s[0] == '-' {
		if n == 0 {
			return math.Copysign(0, -1), true
		}
		return float64(-n), true
	}
	return float64(n), true
}

// losesDigits reports whether a 64-bit float, written out again, is another
// number than n.
func losesDigits(n Number) bool {
	if len(n) <= 15 {
		return false
	}
	f := parseNumber(n)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return true
	}
	written := formatNumber(f)
	if written == string(n) {
		return false
	}
	if i := strings.IndexAny(string(n), "eE"); i >= 0 {
		// An exponent of many digits would make the exact comparison huge.
		if e, err := strconv.Atoi(strings.TrimPrefix(string(n[i+1:]), "+")); err != nil || e > 400 || e < -400 {
			return true
		}
	}
	a, okA := new(big.Rat).SetString(string(n))
	b, okB := new(big.Rat).SetString(written)
	return !okA || !okB || a.Cmp(b) != 0
}

// toPrecision15 is Number(f.toPrecision(15)) of a number that is not whole.
func toPrecision15(f float64) float64 {
	if f == math.Trunc(f) {
		return f
	}
	var buf [48]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', 14, 64)
	r, _ := strconv.ParseFloat(string(text), 64)
	if r == f {
		return f
	}
	// Exactly halfway JavaScript takes the larger, Go the even digit.
	long := strconv.AppendFloat(nil, math.Abs(f), 'e', 32, 64)
	if long[16] == '5' && strings.Trim(string(long[17:strings.IndexByte(string(long), 'e')]), "0") == "" {
		if up, ok := new(big.Rat).SetString(string(long[:16]) + string(long[strings.IndexByte(string(long), 'e'):])); ok {
			ulp, _ := new(big.Rat).SetString("1e-14")
			exp, _ := new(big.Rat).SetString("1" + string(long[strings.IndexByte(string(long), 'e'):]))
			up.Add(up, ulp.Mul(ulp, exp))
			r, _ = up.Float64()
			return math.Copysign(r, f)
		}
	}
	return r
}

// numberText is a number of the input as $string writes it: as JavaScript
// would, except that a whole number keeps all its digits.
func numberText(n Number) string {
	if len(n) <= 15 {
		if _, ok := parseSmallInt(string(n)); ok && n != "-0" {
			return string(n)
		}
	} else if isDigits(n) {
		return string(n)
	}
	return formatNumber(toPrecision15(parseNumber(n)))
}

func isDigits(n Number) bool {
	s := strings.TrimPrefix(string(n), "-")
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != ""
}
