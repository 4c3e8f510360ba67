# Does a value fit a schema of an OpenAPI 3.0 document? The part of JSON Schema that pat's own
# document uses; any other keyword is an error, so that no rule of the document goes unchecked.
#
#     my $schema = PatSchema->new($document);
#     my @faults = $schema->faults({ '$ref' => '#/components/schemas/patSchema' }, $value);

package PatSchema;

use strict;
use warnings;

use B ();
use JSON::PP ();

# Keywords that say nothing about values.
my %prose = map { $_ => 1 } qw(description example);

my %check_of = (
	type => \&check_type,
	enum => \&check_enum,
	format => \&check_format,
	minimum => sub { $_[1] < $_[2] ? "below $_[2]" : () },
	minLength => sub { length $_[1] < $_[2] ? "shorter than $_[2]" : () },
	maxLength => sub { length $_[1] > $_[2] ? "longer than $_[2]" : () },
	required => sub { map { exists $_[1]{$_} ? () : "no $_" } @{ $_[2] } },
);

# These are looked at together with others.
my %handled = map { $_ => 1 } qw(nullable properties additionalProperties items);

my %format_of = (
	'date-time' => qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)\z/,
	uuid => qr/\A[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/,
	uri => qr/\Ahttps?:\/\/[!-~]+\z/,
);

sub new
{
	my ($class, $document) = @_;
	return bless { document => $document }, $class;
}

# resolve(OBJECT): what a {"$ref": "#/…"} stands for; anything else as it is.
sub resolve
{
	my ($self, $object) = @_;
	my $depth = 0;

	while (ref $object eq 'HASH' && exists $object->{'$ref'})
	{
		my ($path) = $object->{'$ref'} =~ m{\A#/(.+)\z} or die "not local: $object->{'$ref'}\n";
		my $reference = $object->{'$ref'};
		die "a circle of references: $reference\n" if $depth++ > 10;
		$object = $self->{document};
		$object = ref $object eq 'HASH' ? $object->{$_} : undef for split /\//, $path;
		die "refers to nothing: $reference\n" unless defined $object;
	}
	return $object;
}

# faults(SCHEMA, VALUE, WHERE): what does not fit, as texts; nothing if the value fits.
sub faults
{
	my ($self, $schema, $value, $where) = @_;
	$where = 'the value' unless defined $where;
	$schema = $self->resolve($schema);
	return $schema->{nullable} ? () : "$where: null" unless defined $value;

	# Of another type, the other rules make no sense.
	my @faults = map { "$where: $_" } check_type($self, $value, $schema->{type});
	return @faults if @faults;
	for my $keyword (sort keys %$schema)
	{
		next if $prose{$keyword} || $handled{$keyword};
		my $check = $check_of{$keyword} or die "unknown keyword of a schema: $keyword\n";
		push @faults, map { "$where: $_" } $check->($self, $value, $schema->{$keyword});
	}
	return (@faults, $self->inner_faults($schema, $value, $where));
}

sub inner_faults
{
	my ($self, $schema, $value, $where) = @_;
	if (ref $value eq 'ARRAY')
	{
		return map { $self->faults($schema->{items}, $value->[$_], "$where\[$_]") } 0 .. $#$value;
	}
	return unless ref $value eq 'HASH';

	my $properties = $schema->{properties} || {};
	my $others = exists $schema->{additionalProperties} ? $schema->{additionalProperties} : 1;
	my @faults = map { $self->faults($properties->{$_}, $value->{$_}, "$where.$_") }
	  grep { exists $value->{$_} } sort keys %$properties;
	push @faults, map { "$where: unknown property $_" } grep { !$properties->{$_} } sort keys %$value
	  unless $others;
	return @faults;
}

# The type of a decoded value; JSON::PP keeps numbers and strings apart by their flags.
sub type_of
{
	my ($value) = @_;
	return 'object' if ref $value eq 'HASH';
	return 'array' if ref $value eq 'ARRAY';
	return 'boolean' if JSON::PP::is_bool($value);
	my $flags = B::svref_2object(\$value)->FLAGS;
	return 'string' if $flags & B::SVp_POK || !($flags & (B::SVp_IOK | B::SVp_NOK));
	return $flags & B::SVp_IOK || $value == int $value ? 'integer' : 'number';
}

sub check_type
{
	my ($self, $value, $type) = @_;
	die "a schema without a type\n" unless defined $type;
	my $found = type_of($value);
	return if $found eq $type || ($type eq 'number' && $found eq 'integer');
	return "$found, not $type";
}

sub check_enum
{
	my ($self, $value, $allowed) = @_;
	return (grep { $_ eq $value } @$allowed) ? () : "not one of @$allowed";
}

sub check_format
{
	my ($self, $value, $format) = @_;
	my $pattern = $format_of{$format} or die "unknown format of a schema: $format\n";
	return $value =~ $pattern ? () : "no $format: $value";
}

1;
