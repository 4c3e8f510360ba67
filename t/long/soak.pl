# A million requests through the bridge (SOAK_REQUESTS: so many): all read routes, changes, one in
# twenty that must be refused, clients that come and go. No answer is wrong, the database was asked
# exactly as often as it should, those that share a call counted, and bridge and backends end with the
# memory that they had after a tenth of it.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use PatLoad;
use PatTest;
use PatBridge;
use PatMetrics;
use PatTraffic;

use constant {
	CONNECTIONS => 64,
	WRITE_ONE_IN => 100,        # creates a token, or deletes one of those
	OTHER_ONE_IN => 10,         # a read route other than the main one
	CLOSE_ONE_IN => 200,        # the client goes, and another one comes
	GROWTH_KB => 1024,          # what an allocator may keep: two bytes a request would be more
	MILLION => 1_000_000,
};

my $requests = $ENV{SOAK_REQUESTS} || MILLION;
my $node = new_cluster('soak', settings => <<~'CONF');
	shared_preload_libraries = '$libdir/pat'
	pat.max_tokens_per_account = 0
	pat.seen_resolution = 1
	CONF
my $sample = load_sample($node);
my $traffic = PatTraffic->new($node, $sample);
my $bridge = PatBridge->start($node, options => [ '--read-connections', '2' ]);
my $written = $node->safe_psql('postgres', "SELECT pat_create_account('written')");
my $path = "/api/admin/service-account/$written/token";

# ---- what is asked -----------------------------------------------------------------------------

my ($asked, $to_database, $created, $deleted) = (0, 0, 0, 0);
my (@kept, @faults);

# Read routes but the main one; shape: what their bodies look like, where they change.
my @others = (
	{ path => '/api/admin/user/tokens', token => $sample->{viewer}, status => 200,
		shape => qr/\A\{"pats":\[\{"id":\d+,"description":"laptop",[^\[\]]*\}\]\}\z/ },
	{ path => '/api/admin/user/tokens', token => $sample->{admin}, status => 403,
		shape => qr/"ForbiddenError"/ },
	{ path => '/api/admin/service-account', token => $sample->{admin}, status => 200,
		shape => qr/\A\{"serviceAccounts":\[\{.*"username":"written".*\}\z/s },
	{ path => '/health', status => 200, body => '{"health":"GOOD"}', apart => 1 },
	{ path => '/ready', status => 200, body => '{"ready":true}', apart => 1 },
	{ path => '/docs/openapi.json', status => 200, apart => 1,
		body => slurp(source_dir() . '/bridge/openapi.json') },
	{ path => '/api/admin/nothing', status => 404, shape => qr/"NotFoundError"/, apart => 1 });

sub change
{
	my $id = shift @kept;
	return { method => 'DELETE', path => "$path/$id", token => $sample->{admin}, status => 200,
		body => '', deletes => 1 } if defined $id;
	$created++;
	return { method => 'POST', path => $path, token => $sample->{admin}, status => 201, creates => 1,
		content => qq({"description":"write $created","expiresAt":"2099-01-01T00:00:00Z"}),
		shape => qr/\A\{"id":\d+,"description":"write $created",.*"secret":"user:\w{49}"\}\z/ };
}

sub next_request
{
	return if $asked >= $requests;
	my $request =
	    ++$asked % WRITE_ONE_IN == 0 ? change()
	  : $asked % OTHER_ONE_IN == 1 ? $others[ ($asked / OTHER_ONE_IN) % @others ]
	  : $traffic->request;
	$to_database++ unless $request->{apart};
	return $asked % CLOSE_ONE_IN == 2 ? { %$request, headers => ['Connection: close'] } : $request;
}

sub answered
{
	my ($request, $status, $headers, $body) = @_;
	if ($request->{creates} && $body =~ /\A\{"id":(\d+)/) { push @kept, $1; }
	if ($request->{deletes}) { $deleted++; }
	if ($request->{shape})
	{
		push @faults, "$request->{path}: $status " . substr($body, -300)
		  if $body !~ $request->{shape} && @faults < 10;
	}
	elsif (!defined $request->{body}) { $traffic->check(@_); }
	sample_memory() if $asked >= $requests / 10 * @{ memory() };
	return;
}

# ---- memory ------------------------------------------------------------------------------------

# Memory of the process that is its own: shared buffers that a backend has touched are not.
sub own_kb
{
	my ($pid) = @_;
	return slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : 0;
}

my @pids = split /\n/, $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE usename = 'pat_bridge' ORDER BY backend_start");
my @samples;

sub memory { return \@samples; }
sub sample_memory { push @samples, [ map { own_kb($_) } $bridge->pid, @pids ]; return; }

# ---- the run -----------------------------------------------------------------------------------

is(scalar @pids, 3, 'two connections for reading, one for changes');
$node->safe_psql('postgres', 'SELECT pat_stat_reset()');
my $start = time;
my $report = PatLoad::run(port => $bridge->port, connections => CONNECTIONS,
	next => \&next_request, answered => \&answered);
my $seconds = time - $start || 1;
sample_memory();

note(sprintf 'figure: %d requests in %d s, %d connections, %d refused, %d changes', $requests,
	$seconds, $report->{connects}, $traffic->refused, $created + $deleted);
my $wrong = 0;
$wrong += $report->{$_} for qw(wrong_status wrong_body broken lost given_up tolerated);
is($wrong, 0, 'no answer is wrong, none is missing') or diag(join "\n", @{ $report->{examples} });
is($report->{answered}, $requests, "$requests answers");
is_deeply([ @faults, @{ $traffic->faults } ], [], 'bodies that change have their shape, errors theirs');
cmp_ok($report->{connects}, '>=', $requests / CLOSE_ONE_IN, 'clients came and went');
my $joined = PatMetrics->parse($bridge->get('/metrics')->{body})->value('pat_bridge_lane_calls_joined_total', lane => 'read');
is($joined + $node->safe_psql('postgres', 'SELECT calls FROM pat_stat'), $to_database,
	'the database was asked once for each request that is for it, or by another one that is alike');
cmp_ok($joined, '>', 0, '... as some are');
is($node->safe_psql('postgres', "SELECT count(*) FROM pat_token WHERE account_id = $written"),
	$created - $deleted, 'of the tokens created, those that were not deleted are there');

is_deeply(
	[ split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE usename = 'pat_bridge' ORDER BY backend_start") ],
	\@pids, 'the backends are those of the start');
my ($early, $late) = @samples[ 1, -1 ];
my @names = ('the bridge', map { "backend $_" } 1 .. @pids);
for my $i (0 .. $#names)
{
	note("figure: $names[$i], kB at each tenth: " . join ' ', map { $_->[$i] } @samples);
	cmp_ok($late->[$i] - $early->[$i], '<=', GROWTH_KB,
		"$names[$i] has not grown since a tenth of the requests");
}
$bridge->stop_ok;
done_testing();
