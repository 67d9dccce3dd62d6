# For scripts that test clients against real services: `. scripts/services.sh NAME` builds the program, and makes a
# database in the throw-away server that `drop_database` drops. WHENCE_PROGRAM and WHENCE_TEST_STORES say what they are.
[ -n "${WHENCE_PROGRAM:-}" ] || cargo build --quiet --locked --bin whence
WHENCE_PROGRAM=${WHENCE_PROGRAM:-$PWD/target/debug/whence}
postgres=$(scripts/postgres start)
database=whence_$1_$$
drop_database() { psql -q "$postgres" -c "drop database if exists $database with (force)" >/dev/null 2>&1 || true; }
psql -q "$postgres" -c "create database $database"
WHENCE_TEST_STORES="sqlite ${postgres%/*}/$database"
export WHENCE_PROGRAM WHENCE_TEST_STORES
