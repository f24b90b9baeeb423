# Hashes of arrays of strings, split, joined, sorted, matched.
use strict;
use warnings;
my (%by, @names);
for my $i (1 .. 130000) {
	my $k = 'dir' . ($i * 7919 % 2003);
	push @{$by{$k}}, 'file-' . ($i * 31 % 50021);
	push @names, "$k/$i";
}
my $t = 0;
for my $k (sort keys %by) {
	my $text = join(',', @{$by{$k}});
	my %seen = map { $_ => length } split(/,/, $text);
	$t += keys(%seen) + length($text);
	$t++ while $text =~ /-(\d)\d*7\b/g;
}
@names = sort { $b cmp $a } @names;
print "$t $names[0] $names[-1]\n";
