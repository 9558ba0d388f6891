package console

import "testing"

func TestARejectedBodyIsShownWithoutSecrets(t *testing.T) {
	for _, c := range []struct{ media, body, want string }{
		{"application/json", `{"name": "Gromit", "password": "pa\"ss", "n": 1}`, `{"name": "Gromit", "password": "•••", "n": 1}`},
		{"application/json", `{"auth": {"access_token" : 12345}, "tokens": ["kept"]}`, `{"auth": {"access_token" : "•••"}, "tokens": ["kept"]}`},
		{"application/json", `{"Client-Secret": "cut off he`, `{"Client-Secret": "•••"`},
		{"application/json", `{"note": "the known-secret is here"}`, `{"note": "the ••• is here"}`},
		{"application/x-www-form-urlencoded", "a=1&api_key=xyz&b=2", "a=1&api_key=•••&b=2"},
		{"application/x-www-form-urlencoded", "token=xyz", "token=•••"},
		{"application/xml", "<a><userPassword x='1'>xyz</userPassword><b apikey='q'>c</b></a>", `<a><userPassword x='1'>•••</userPassword><b apikey="•••">c</b></a>`},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nxyz\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--",
			"--x\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\n•••\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--"},
		{"text/plain", "as it is", "as it is"},
	} {
		equal(t, c.body, withoutSecrets(c.media, c.body, []string{"known-secret"}), c.want)
	}
}
