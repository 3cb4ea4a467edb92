// One more power in a sum: (total, top) = total * 2**top + power * 2**exponent.
//
// A mantissa is a number in [1, 2) of Mantissa fractional bits; what falls below its last bit is
// cut off. With first_i the sum so far does not count. Legal parameters: Mantissa 1..20; ExpWidth
// holds every exponent and the difference of any two: a bit where a row is one code without an
// integer part. Latency: 0 cycles, combinational.
//
// The sum is brought back below 2 at once, by one bit at most: so it needs neither a guard bit for
// each doubling of terms nor a search for its leading one before the division.

module flow_softmax_add #(
    parameter int Mantissa = 8,
    parameter int ExpWidth = 6
) (
    input  logic                first_i,
    input  logic [  Mantissa:0] total_i,
    input  logic [ExpWidth-1:0] top_i,
    input  logic [  Mantissa:0] power_i,
    input  logic [ExpWidth-1:0] exponent_i,
    output logic [  Mantissa:0] total_o,
    output logic [ExpWidth-1:0] top_o
);

  logic [ExpWidth-1:0] ahead, distance, larger;
  logic [Mantissa:0] high, low;
  logic [Mantissa+1:0] sum;
  logic later;

  // The one of the lower exponent is shifted.
  assign ahead = exponent_i - top_i;
  assign later = first_i | ~ahead[ExpWidth-1];
  assign distance = later ? ahead : top_i - exponent_i;
  assign high = later ? power_i : total_i;
  assign low = later ? total_i : power_i;
  assign larger = later ? exponent_i : top_i;

  assign sum = {1'b0, high} + {1'b0, first_i ? '0 : low >> distance};
  assign total_o = sum[Mantissa+1] ? sum[Mantissa+1:1] : sum[Mantissa:0];
  assign top_o = larger + ExpWidth'(sum[Mantissa+1]);

  initial if (Mantissa < 1 || Mantissa > 20 || ExpWidth < 1) begin
    $fatal(1, "flow_softmax_add: Mantissa must be 1..20 and ExpWidth at least 1");
  end

endmodule
