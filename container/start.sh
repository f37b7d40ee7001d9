# Starts the service. Settings that take a file can be given as its content, where an orchestrator hands secrets over as
# variables only: of SECRET_CDN_PRIVATE_KEY_FILE it makes a file, and names it in CDN_PRIVATE_KEY_FILE.
set -eu
umask 077
secrets=
for name in $(env | sed -n 's/^SECRET_\([A-Z0-9_]*\)=.*/\1/p'); do
  [ -n "$secrets" ] || secrets=$(mktemp -d)
  eval "printf %s \"\$SECRET_$name\"" >"$secrets/$name"
  export "$name=$secrets/$name"
  unset "SECRET_$name"
done
exec node --disable-warning=ExperimentalWarning --max-semi-space-size=1 src/main.ts "$@"
