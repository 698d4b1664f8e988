package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// answer is the answer to a REST call.
type answer struct {
	status      int
	body        []byte
	contentType string
	header      map[string]string
	cut         bool            // the connection breaks halfway
	stalls      <-chan struct{} // if not nil, the last byte is not sent, until this is closed
}

func jsonAnswer(status int, v any) answer { return rawAnswer(status, encode(v)) }

func rawAnswer(status int, body []byte) answer {
	return answer{status: status, body: append(body, '\n'), contentType: "application/json; charset=utf-8"}
}

// encode renders JSON as e-conomic does. It panics on values that cannot be encoded,
// which the sandbox never has.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// apiError is e-conomic's error body. logTime has no zone.
func (s *Sandbox) apiError(status int, code, message, hint string, more map[string]any) answer {
	body := map[string]any{
		"message": message, "developerHint": hint, "logId": fmt.Sprintf("%016x-CPH", rand.Uint64()),
		"httpStatusCode": status, "logTime": s.now().Format("2006-01-02T15:04:05"),
	}
	if code != "" {
		body["errorCode"] = code
	}
	maps.Copy(body, more)
	return jsonAnswer(status, body)
}

const hypermediaHint = "The API tries to provide all the resource urls you need. If you have hard coded urls yourself, then try to look at the enclosing collection for hypermedia information on where the resource you are looking for could be."

func (s *Sandbox) notFound() answer {
	return s.apiError(404, "E06000", "Resource not found.", hypermediaHint, nil)
}

// write answers a request; now is the time by the service's clock.
func write(w http.ResponseWriter, now time.Time, ans answer) {
	h := w.Header()
	h.Set("Date", now.Format(http.TimeFormat))
	h.Set("Content-Type", ans.contentType)
	for k, v := range ans.header {
		h.Set(k, v)
	}
	h.Set("Content-Length", strconv.Itoa(len(ans.body)))
	w.WriteHeader(ans.status)
	if ans.cut {
		_, _ = w.Write(ans.body[:len(ans.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the connection is cut
	}
	if ans.stalls != nil && len(ans.body) > 0 {
		_, _ = w.Write(ans.body[:len(ans.body)-1])
		_ = http.NewResponseController(w).Flush()
		<-ans.stalls
		return
	}
	_, _ = w.Write(ans.body)
}

func (s *Sandbox) internalError() answer {
	return s.apiError(500, "E00500", "An unexpected error occurred.", "Contact support with the log id.", nil)
}

func (s *Sandbox) unauthorized() answer {
	return s.apiError(401, "E01000", "Not authorized. Did you remember to include app secret token and agreement grant token?",
		"See the documentation on authentication. Try ?demo=true for the demo agreement.", nil)
}
