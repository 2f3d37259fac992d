#!/bin/sh
# run.sh JOBMILL - starts the service with ./data and shows the first job to try once it listens.
set -eu
bin=$1
listen=${JOBMILL_LISTEN:-127.0.0.1:8080}
data=${JOBMILL_DATA_DIR:-./data}
pipe=$(mktemp -u)
mkfifo -m 600 "$pipe"
"$bin" serve --listen "$listen" --data-dir "$data" >"$pipe" &
pid=$!
# a terminal's ^C reaches the service itself: a signal more would end it without a drain
trap ':' INT
trap 'kill -TERM $pid 2>/dev/null || true' TERM
exec 3<"$pipe"
rm -f "$pipe"
if read -r line <&3; then
    url=${line#listening on }
    cat <<TEXT

$line

The dashboard is $url/ and the reference of the API $url/docs.

Try the first job, in another terminal:

  curl -s '$url/v1/jobs?wait=10' -d '{"task":"primes","input":{"limit":10000000}}'

(or, without curl:  $bin submit primes --input '{"limit":10000000}' --wait --server $url)
and then a picture:

  curl -s '$url/v1/jobs?wait=10' -d '{"task":"mandelbrot"}'
  curl -s -o mandelbrot.png $url/v1/jobs/ID/result     # or look at it on the dashboard

^C drains and ends the service.

TEXT
fi
status=0
while kill -0 $pid 2>/dev/null; do
    wait $pid && status=0 || status=$?
done
exit $status
