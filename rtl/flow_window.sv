// Windows of an image: every beat that a KernelH x KernelW window covers, window after window.
//
// Pixels come in row by row, the PixelBeats beats of a pixel one after the other. Out go, for every
// window (row by row), for every group of GroupBeats = PixelBeats / Groups beats of a pixel, for
// every tap of the window (row by row), the beats of that group; zeros where the window stands
// outside the image. Groups = 1 is the order of a convolution, Groups = PixelBeats that of pools
// and of depthwise convolutions.
//
// Legal parameters: Width, PixelBeats >= 1, Groups divides PixelBeats, sizes and strides >= 1, pads
// smaller than the kernel and at least one window per direction; Depth, in beats, is at least
// MinDepth, below which a window would not fit into the memory.
// Latency: 2 cycles from the beat that a tap waits for to its beat; throughput: 1 beat a cycle on
// either side.
//
// One memory used as a ring, not rows of shift registers: a folded consumer reads each pixel many
// times, and a ring keeps each once and gives back a place as soon as no later window needs it.
// `held` counts beats from the first one of the present window, so that a tap is there when its
// offset is below it; it is negative while beats are still to come that no window covers. Ready is
// a function of registers only.

module flow_window #(
    parameter int Width = 8,
    parameter int PixelBeats = 1,
    parameter int Groups = 1,
    parameter int Height = 4,
    parameter int ImageWidth = 4,
    parameter int KernelH = 3,
    parameter int KernelW = 3,
    parameter int StrideH = 1,
    parameter int StrideW = 1,
    parameter int PadH = 1,
    parameter int PadW = 1,
    parameter int Depth = 13
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    input  logic [Width-1:0] data_i,
    input  logic             valid_i,
    output logic             ready_o,
    output logic [Width-1:0] data_o,
    output logic             valid_o,
    input  logic             ready_i
);

  localparam int GroupBeats = PixelBeats / Groups;
  localparam int RowBeats = ImageWidth * PixelBeats;
  // Row and column of the first and of the last window; those after the first that is not negative.
  localparam int LastTop = (Height + 2 * PadH - KernelH) / StrideH * StrideH - PadH;
  localparam int LastLeft = (ImageWidth + 2 * PadW - KernelW) / StrideW * StrideW - PadW;
  localparam int EntryTop = StrideH - PadH % StrideH;
  localparam int EntryLeft = StrideW - PadW % StrideW;
  localparam int LastRow = (LastTop > 0) ? LastTop : 0;
  localparam int LastColumn = (LastLeft > 0) ? LastLeft : 0;

  // How far the first pixel of the window moves, in beats: along a row, to the next row, to another
  // image.
  localparam int MoveEntry = EntryLeft * PixelBeats;
  localparam int MoveColumn = StrideW * PixelBeats;
  localparam int MoveBack = -LastColumn * PixelBeats;
  localparam int MoveEntryRow = EntryTop * RowBeats + MoveBack;
  localparam int MoveRow = StrideH * RowBeats + MoveBack;
  localparam int MoveImage = (Height - LastRow) * RowBeats + MoveBack;

  // Rows above the image: their windows move on without giving back what the next row needs.
  localparam int KeepsRows = (PadH >= StrideH) ? 1 : 0;
  localparam int SpanRows = (KernelH < Height) ? KernelH : Height;
  localparam int SpanColumns = (KernelW < ImageWidth) ? KernelW : ImageWidth;
  localparam int KeptRows = (KernelH - 1 < Height) ? KernelH - 1 : Height;
  localparam int Span = (SpanRows - 1) * RowBeats + SpanColumns * PixelBeats;
  localparam int Kept = (KeepsRows != 0) ? KeptRows * RowBeats : 0;
  localparam int MinDepth = (Span > Kept) ? Span : Kept;

  localparam int LongestMove = (MoveRow > MoveImage) ? MoveRow : MoveImage;
  localparam int LongestSkip = (MoveColumn > LongestMove) ? MoveColumn : LongestMove;
  localparam int Farthest = (LongestSkip > Depth) ? LongestSkip : Depth;
  localparam int HeldWidth = $clog2(Farthest + 1) + 1;
  localparam int AddrWidth = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int YWidth = $clog2(Height + PadH + StrideH + 1) + 1;
  localparam int XWidth = $clog2(ImageWidth + PadW + StrideW + 1) + 1;
  localparam int BeatWidth = (GroupBeats > 1) ? $clog2(GroupBeats) : 1;
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int TapYWidth = (KernelH > 1) ? $clog2(KernelH) : 1;
  localparam int TapXWidth = (KernelW > 1) ? $clog2(KernelW) : 1;

  localparam logic signed [HeldWidth-1:0] FULL = HeldWidth'(Depth);
  localparam logic [AddrWidth-1:0] LAST_ADDR = AddrWidth'(Depth - 1);
  localparam logic signed [YWidth-1:0] LAST_TOP = YWidth'(LastTop);
  localparam logic signed [XWidth-1:0] LAST_LEFT = XWidth'(LastLeft);

  // Where the next beat stands: within the pixel, within the window, and the window in the image.
  logic [BeatWidth-1:0] beat_q;
  logic [GroupWidth-1:0] group_q;
  logic [TapYWidth-1:0] tap_y_q;
  logic [TapXWidth-1:0] tap_x_q;
  logic signed [YWidth-1:0] top_q, y_q, next_top;
  logic signed [XWidth-1:0] left_q, x_q, next_left;
  logic last_beat, last_tap_x, last_tap_y, last_group, last_left, last_top;
  logic end_tap, end_row, end_group, end_window;

  assign last_beat = beat_q == BeatWidth'(GroupBeats - 1);
  assign last_tap_x = tap_x_q == TapXWidth'(KernelW - 1);
  assign last_tap_y = tap_y_q == TapYWidth'(KernelH - 1);
  assign last_group = group_q == GroupWidth'(Groups - 1);
  assign last_left = left_q == LAST_LEFT;
  assign last_top = top_q == LAST_TOP;
  assign end_tap = last_beat;
  assign end_row = end_tap & last_tap_x;
  assign end_group = end_row & last_tap_y;
  assign end_window = end_group & last_group;
  assign next_top = last_top ? YWidth'(-PadH) : top_q + YWidth'(StrideH);
  assign next_left = last_left ? XWidth'(-PadW) : left_q + XWidth'(StrideW);

  // The beat's offset from the first of the window, that of its row of taps, and of its group.
  logic signed [HeldWidth-1:0] offset_q, row_offset_q, group_offset_q;
  logic signed [HeldWidth-1:0] next_row_offset, next_group_offset;
  logic row_real, real_tap;

  assign row_real = (y_q >= 0) && (y_q < YWidth'(Height));
  assign real_tap = row_real && (x_q >= 0) && (x_q < XWidth'(ImageWidth));
  assign next_row_offset = row_real ? row_offset_q + HeldWidth'(RowBeats) : row_offset_q;
  assign next_group_offset = group_offset_q + HeldWidth'(GroupBeats);

  logic signed [HeldWidth-1:0] held_q, used, move;
  logic [AddrWidth-1:0] base_q, base_move;
  logic write, room, present, step;

  // Zeros wait for the first pixel of the window: nothing of an image comes before the image does.
  assign present = real_tap ? held_q > offset_q : held_q > 0;
  assign room = ready_i | ~valid_o;
  assign step = room & present;
  assign write = valid_i & ready_o;
  assign ready_o = used != FULL;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      tap_x_q <= '0;
      tap_y_q <= '0;
      group_q <= '0;
      left_q <= XWidth'(-PadW);
      top_q <= YWidth'(-PadH);
      x_q <= XWidth'(-PadW);
      y_q <= YWidth'(-PadH);
      offset_q <= '0;
      row_offset_q <= '0;
      group_offset_q <= '0;
    end else if (step) begin
      beat_q <= last_beat ? '0 : beat_q + 1'b1;
      if (end_tap) tap_x_q <= last_tap_x ? '0 : tap_x_q + 1'b1;
      if (end_row) tap_y_q <= last_tap_y ? '0 : tap_y_q + 1'b1;
      if (end_group) group_q <= last_group ? '0 : group_q + 1'b1;
      if (end_window) left_q <= next_left;
      if (end_window && last_left) top_q <= next_top;

      if (end_window) x_q <= next_left;
      else if (end_row) x_q <= left_q;
      else if (end_tap) x_q <= x_q + 1'b1;

      if (end_window && last_left) y_q <= next_top;
      else if (end_group) y_q <= top_q;
      else if (end_row) y_q <= y_q + 1'b1;

      if (end_window) group_offset_q <= '0;
      else if (end_group) group_offset_q <= next_group_offset;

      if (end_group) row_offset_q <= '0;
      else if (end_row) row_offset_q <= next_row_offset;

      if (end_window) offset_q <= '0;
      else if (end_group) offset_q <= next_group_offset;
      else if (end_row) offset_q <= next_row_offset + group_offset_q;
      else if (end_tap && real_tap) offset_q <= offset_q + HeldWidth'(PixelBeats - GroupBeats + 1);
      else if (real_tap) offset_q <= offset_q + 1'b1;
    end
  end

  // The move of the window that ends, and the same around the ring.
  always_comb begin
    if (last_left && last_top) begin
      move = HeldWidth'(MoveImage);
      base_move = AddrWidth'((MoveImage % Depth + Depth) % Depth);
    end else if (last_left && next_top <= 0) begin
      move = HeldWidth'(MoveBack);
      base_move = AddrWidth'((MoveBack % Depth + Depth) % Depth);
    end else if (last_left && top_q < 0) begin
      move = HeldWidth'(MoveEntryRow);
      base_move = AddrWidth'((MoveEntryRow % Depth + Depth) % Depth);
    end else if (last_left) begin
      move = HeldWidth'(MoveRow);
      base_move = AddrWidth'((MoveRow % Depth + Depth) % Depth);
    end else if (next_left <= 0) begin
      move = '0;
      base_move = '0;
    end else if (left_q < 0) begin
      move = HeldWidth'(MoveEntry);
      base_move = AddrWidth'(MoveEntry % Depth);
    end else begin
      move = HeldWidth'(MoveColumn);
      base_move = AddrWidth'(MoveColumn % Depth);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) held_q <= '0;
    else held_q <= held_q + $signed(HeldWidth'(write)) - ((step && end_window) ? move : '0);
  end

  if (KeepsRows != 0) begin : gen_keeps_rows
    logic signed [HeldWidth-1:0] used_q;
    logic keep;
    assign keep = (next_top <= 0) & ~last_top;
    assign used = used_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) used_q <= '0;
      else begin
        used_q <= used_q + $signed(HeldWidth'(write)) -
            ((step && end_window && !keep) ? move : '0);
      end
    end
  end else begin : gen_no_rows
    assign used = held_q;
  end

  // The ring.
  logic [Width-1:0] beats_q[Depth];
  logic [Width-1:0] read_q;
  logic [AddrWidth-1:0] write_addr_q, read_addr;
  logic [AddrWidth:0] base_sum, read_sum;
  logic padding_q;

  assign base_sum = {1'b0, base_q} + {1'b0, base_move};
  assign read_sum = {1'b0, base_q} + (AddrWidth + 1)'($unsigned(offset_q));
  assign read_addr = (read_sum > {1'b0, LAST_ADDR}) ?
      AddrWidth'(read_sum - (AddrWidth + 1)'(Depth)) : AddrWidth'(read_sum);

  always_ff @(posedge clk_i) begin
    if (write) beats_q[write_addr_q] <= data_i;
    if (room) read_q <= beats_q[read_addr];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_addr_q <= '0;
      base_q <= '0;
    end else begin
      if (write) write_addr_q <= (write_addr_q == LAST_ADDR) ? '0 : write_addr_q + 1'b1;
      if (step && end_window) begin
        base_q <= (base_sum > {1'b0, LAST_ADDR}) ?
            AddrWidth'(base_sum - (AddrWidth + 1)'(Depth)) : AddrWidth'(base_sum);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_o <= 1'b0;
    else if (room) valid_o <= present;
  end

  always_ff @(posedge clk_i) begin
    if (room) padding_q <= ~real_tap;
  end

  assign data_o = padding_q ? '0 : read_q;

  initial begin
    if (Width < 1 || PixelBeats < 1 || Groups < 1 || PixelBeats % Groups != 0) begin
      $fatal(1, "flow_window: Groups must divide PixelBeats, and both must be at least 1");
    end
    if (PadH >= KernelH || PadW >= KernelW || PadH < 0 || PadW < 0) begin
      $fatal(1, "flow_window: pads must be smaller than the kernel");
    end
    if (StrideH < 1 || StrideW < 1) $fatal(1, "flow_window: strides must be at least 1");
    if (Height + 2 * PadH < KernelH || ImageWidth + 2 * PadW < KernelW) begin
      $fatal(1, "flow_window: the kernel must fit into the padded image");
    end
    if (Depth < MinDepth) $fatal(1, "flow_window: Depth must hold a window");
  end

endmodule
