#!/usr/bin/env bash
# deploy.sh: puts a release of a Laravel application in place, or leaves everything as it was.
#
#   deploy.sh [--maintenance] [--restore-data] [--force REASON] [--health COMMAND] [--server NAME] APPLICATION RELEASE
#
# APPLICATION is a directory with the links `current`, which the web server follows, and `next`, which chom.yaml names as
# `migrations: {laravel: APPLICATION/next}`. RELEASE is the new release, with its dependencies installed.
#
#   1. a full backup, restored and compared (`chom backup --verification full`)
#   2. the migration check of the release (`chom migration check`)
#   3. `artisan migrate --force` in the release
#   4. `current` leads to the release
#   5. --health: this command has to succeed
#
# Where 3 or 5 fails, those migrations that this deploy has run are rolled back, and `current` leads to where it did. The
# schema is compared with what it was: what a migration that failed has left half-way is told, and not undone. With
# --restore-data all of the databases go back to the backup of step 1 instead, and what was written since is lost; CHOM_RESTORE_USER
# and CHOM_RESTORE_PASSWORD name the account for that, where the one of chom.yaml may only back up.
#
# Exit status: 0 deployed; 1 not deployed, all is as before; 2 usage; 3 the check could not tell, nothing was done;
# 4 not all is as it should be: the last lines say what. An interrupt undoes as a failure does.
#
# --maintenance takes the new release down and up: let releases share their `storage`.
set -Eeuo pipefail

say() { printf 'deploy: %s\n' "$*" >&2; }
usage() {
    say "$1"
    sed -n '4s/^# *//p' "$0" >&2
    exit 2
}

maintenance='' restore_data='' health='' server=() force=()
while [ $# -gt 0 ]; do
    case $1 in
    --maintenance) maintenance=yes ;;
    --restore-data) restore_data=yes ;;
    --force | --health | --server)
        [ -n "${2:-}" ] || usage "$1 needs a value"
        case $1 in
        --force) force=(--force "$2") ;;
        --health) health=$2 ;;
        --server) server=(--server "$2") ;;
        esac
        shift
        ;;
    --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    --*) usage "there is no option $1" ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 2 ] || usage "an application and a release are needed"
application=$(readlink -f "$1") release=$(readlink -f "$2")
[ -z "$restore_data" ] || [ ${#server[@]} -gt 0 ] || usage "--restore-data needs --server"
[ -f "$release/artisan" ] || usage "$release is no Laravel application: it has no artisan"
current=$application/current
[ -L "$current" ] || [ ! -e "$current" ] || usage "$current is no link"
former=$(readlink -e "$current" || true)
# one deploy at a time: another would move `next` under this one
exec 9>"$application/.deploy.lock"
flock --nonblock 9 || { say "another deploy of $application is running: nothing was done" && exit 1; }

# what these start, and leave running, must not hold the lock
artisan() { (cd "$release" && php artisan "$@" 9>&-); }
chom() { command chom "$@" 9>&-; }
# of both formats of migrate:status, before and since Laravel 9.21; fails where that does: a number that is too small would
# have an earlier deploy rolled back
recorded() {
    local status
    status=$(artisan migrate:status 2>&1) || { grep -q 'Migration table not found' <<<"$status" && echo 0 && return; return 1; }
    grep -cE '^\| Yes|\] Ran *$' <<<"$status" || true
}
# a digest of the schema, whatever the check says of the migrations
schema_now() {
    { chom migration check "${server[@]}" --validate --json || true; } |
        php -r '$told = json_decode(stream_get_contents(STDIN), true); echo $told["schema"] ?? "", " ", $told["place"] ?? "";'
}
lead() { # LINK TARGET: in one step, so that nobody finds no release
    ln -sfn "$2" "$1.new.$$"
    mv -T "$1.new.$$" "$1"
}

# --- before anything is changed

say "backing up, and restoring that to compare it"
if ! backup=$(chom backup "${server[@]}" --verification full --json); then
    php -r '$error = json_decode(stream_get_contents(STDIN), true)["error"] ?? []; echo $error["message"] ?? "", "\n", $error["remedy"] ?? "", "\n";' <<<"$backup" >&2
    say "the backup failed, or was not proved: nothing was done"
    exit 1
fi
id=$(php -r 'echo json_decode(stream_get_contents(STDIN), true)["backup"]["id"] ?? "";' <<<"$backup")
[ -n "$id" ] || { say "chom has told of no backup: nothing was done" && exit 1; }

lead "$application/next" "$release"
say "checking the migrations of $release"
status=0
chom migration check "${server[@]}" "${force[@]}" || status=$?
case $status in
0) ;;
2) say "chom.yaml is wrong: nothing was done" && exit 2 ;;
3) say "the check could not tell: nothing was done" && exit 3 ;;
*) say "the check refused the release: nothing was done" && exit 1 ;;
esac
before=$(recorded) || { say "migrate:status does not answer: nothing was done" && exit 3; }
read -r schema place <<<"$(schema_now)"
[ -n "$schema" ] || { say "the schema cannot be told: nothing was done" && exit 3; }
[ "$place" = "$release" ] || {
    say "chom.yaml has $place checked, and not $release: correct migrations.laravel; nothing was done"
    exit 2
}

# --- from here on everything is undone where something fails

undo() {
    local left='' after count now
    trap '' INT TERM
    trap - ERR
    say "$1"
    if [ -z "$former" ]; then
        rm -f "$current"
    elif [ "$(readlink -e "$current" || true)" != "$former" ]; then
        lead "$current" "$former" || left+=" current leads to $release;"
    fi
    [ -z "$former" ] || lead "$application/next" "$former" || true
    if [ -n "$restore_data" ]; then
        say "restoring $id: what was written since is lost"
        chom restore "$id" "${server[@]}" --into-server "${server[1]}" --replace \
            ${CHOM_RESTORE_USER:+--user "$CHOM_RESTORE_USER"} >&2 ||
            left+=" the restore of $id failed;"
    elif after=$(recorded); then
        count=$((after - before))
        # never without a number: that would roll back an earlier deploy where this one has recorded nothing
        if [ "$count" -gt 0 ] && ! artisan migrate:rollback --force --step="$count"; then
            left+=" $count of the migrations were not rolled back;"
        fi
    else
        left+=" migrate:status does not answer, so that nothing was rolled back;"
    fi
    # the proof, whatever was rolled back: a failed migration may have left a part, and a rollback may forget one
    read -r now _ <<<"$(schema_now)"
    if [ "$now" != "$schema" ]; then
        left+=" the schema is not what it was;"
        lead "$application/next" "$release"
        chom migration check "${server[@]}" --validate >&2 || true
    fi
    [ -z "$maintenance" ] || artisan up || left+=" the application is in maintenance mode;"
    if [ -n "$left" ]; then
        say "NOT all is as before:$left"
        say "to put all of the data back, without what was written since: chom restore $id --into-server ${server[1]:-NAME} --replace"
        exit 4
    fi
    [ -n "$restore_data" ] || say "rows that these migrations have changed were not put back; the backup is $id"
    say "not deployed; the code and the schema are the former"
    exit 1
}

printed=$(mktemp) || printed=''
trap '[ -z "$printed" ] || rm -f "$printed"' EXIT
trap 'undo "something failed"' ERR
trap 'undo "interrupted"' INT TERM
[ -z "$maintenance" ] || artisan down
# a full disk, or a process that a migration leaves running, must not undo what has succeeded
show_and_keep() {
    trap - ERR
    trap '' INT TERM PIPE
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "$line" 2>/dev/null || true
        [ -z "$printed" ] || printf '%s\n' "$line" 2>/dev/null >>"$printed" || printed=''
    done
}
exec 8> >(show_and_keep 9>&-)
keeper=$!
migrated=yes
(artisan migrate --force) >&8 2>&1 8>&- || migrated='' # in a shell of its own: a trap would write there
exec 8>&-
for _ in {1..20}; do
    kill -0 "$keeper" 2>/dev/null || break
    sleep 0.1
done
kill -KILL "$keeper" 2>/dev/null || true
[ -n "$migrated" ] || undo "a migration failed"
lead "$current" "$release" || undo "current cannot be switched"
if [ -n "$health" ] && ! bash -c "$health" 9>&-; then
    undo "the release is not healthy: $health"
fi
trap - ERR INT TERM
[ -z "$maintenance" ] || artisan up || { say "deployed, and the application is in maintenance mode" && exit 4; }
# later checks foretell by that; a deploy is no less done without it
[ -z "$printed" ] || [ ! -s "$printed" ] || chom migration done "${server[@]}" --output "$printed" >&2 || say "how long the migrations took was not kept"
say "deployed $release; the backup before it is $id"
