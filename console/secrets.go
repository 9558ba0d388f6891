package console

import (
	"mime"
	"regexp"
	"strings"

	"sluice/connectors/outgoing"
)

// leastSecret is how long a secret is at least that is looked for by its value:
// a shorter one would be found in data that has nothing to do with it.
const leastSecret = 6

const hidden = "•••"

// secretName are names of fields whose values nobody should read over somebody's shoulder.
const secretName = `[^"'<>=&\s]*(?:passw|passwd|secret|token|api[_-]?key|authorization|private[_-]?key|credential)[^"'<>=&\s]*`

var (
	secretInJSON  = regexp.MustCompile(`(?i)("` + secretName + `"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,{}\[\]"]+)`)
	secretInForm  = regexp.MustCompile(`(?i)((?:^|&)` + secretName + `=)([^&]*)`)
	secretInXML   = regexp.MustCompile(`(?i)(<` + secretName + `(?:\s[^<>]*)?>)([^<]+)`)
	attributeXML  = regexp.MustCompile(`(?i)(\s` + secretName + `\s*=\s*)("[^"]*"|'[^']*')`)
	secretInParts = regexp.MustCompile(`(?is)(name="?` + secretName + `"?[^\r\n]*(?:\r?\n[^\r\n]+)*\r?\n\r?\n)(.*?)(\r?\n--|$)`)
)

// withoutSecrets is a text that a stranger sent, as it came but for values that
// are known to be secret and those of fields that are called so. A text that is
// not what its type says is treated all the same: that may be why it was refused.
func withoutSecrets(contentType, text string, secrets []string) string {
	text = outgoing.Blank(text, secrets)
	media, _, _ := mime.ParseMediaType(contentType)
	switch {
	case media == "application/x-www-form-urlencoded":
		return secretInForm.ReplaceAllString(text, "${1}"+hidden)
	case strings.HasPrefix(media, "multipart/"):
		return secretInParts.ReplaceAllString(text, "${1}"+hidden+"${3}")
	case strings.HasSuffix(media, "xml"):
		text = secretInXML.ReplaceAllString(text, "${1}"+hidden)
		return attributeXML.ReplaceAllString(text, `${1}"`+hidden+`"`)
	}
	return secretInJSON.ReplaceAllString(text, `${1}"`+hidden+`"`)
}
