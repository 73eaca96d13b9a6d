(* Where the one-step theorem ends: exact counterexamples.

   Each theorem drops one hypothesis, or claims one thing more, and shows with explicit numbers that the
   conclusion fails.  u is the teacher's direction, v(e) the student's step, <v, u> their alignment, LT the
   trait loss.  Unless said otherwise, the network has one input and one output, the imitation loss is half
   the squared error, u = - grad LT(th0), and "rises" means LT(th0 + alpha v(e)) > LT(th0) for every alpha > 0
   and every e > 0 of the stated range (0 < alpha < 1 in second_step_breaks_dichotomy, alpha = 3 in
   step_size_bound_needed).

     zero_branch_promises_nothing      <v, u> = 0 for all e, and LT rises
     shared_initialisation_needed      another initialisation with the same outputs: <v, u> < 0 and LT rises
     second_step_breaks_dichotomy      <v, u> = 0 for all e after one step, negative after two
     step_size_bound_needed            alpha K = 3: the second step overshoots
     kink_breaks_alignment             backward pass with relu'(0) = 0: <v, u> < 0 for all e > 0
     small_e_needed                    <v, u> = c sin(c e) for the network sin(c th): no common threshold
     converged_teacher                 u = - H^-1 grad LT: <v, u> > 0 and LT rises
     sign_step, sign_step_both         a sign step (first step of Adam) of the student, of both
     frozen_parameter                  the student may move only a part of the parameters

   A convex imitation loss outside the class is treated in NullClause, a chain through two channels in
   Generations, two different preconditioners in Preconditioner. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep OneOutput.
Open Scope R_scope.

(* The zero branch promises nothing: the alignment is 0 for every e, and the trait loss strictly rises for
   every e <> 0. *)
Theorem zero_branch_promises_nothing :
  let F := fun th : vec => th 1%nat + th 0%nat ^ 2 in
  let LT := fun th : vec => - th 0%nat + th 1%nat ^ 2 in
  let th0 := vec2 0 0 in
  let u := gstep LT th0 in
  let v := step1 F th0 u in
  (forall e, dot 2 (v e) u = 0) /\
  (forall e alpha, e <> 0 -> 0 < alpha -> LT th0 < LT (moved th0 alpha (v e))).
Proof.
  intros F LT th0 u v.
  assert (HF : has_grad 2 F th0 (vec2 0 1)) by (unfold F, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 0)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = 0) by (unfold u; gval HT).
  assert (D : forall e, F (teacher th0 u e) = e ^ 2).
  { intros e. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (V0 : forall e, v e 0%nat = 0) by (intros e; unfold v; sval HF; cbn [vec2]; ring).
  assert (V1 : forall e, v e 1%nat = e ^ 2).
  { intros e. unfold v. sval HF. rewrite D. unfold F, th0. cbn [vec2]. ring. }
  split.
  - intros e. unfold dot. cbn [rsum]. rewrite V0, V1, U1. ring.
  - intros e alpha He Halpha. unfold LT, moved. rewrite V0, V1. unfold th0. cbn [vec2].
    assert (Hx : 0 < (alpha * e ^ 2) ^ 2); [|lra].
    apply pow_lt, Rmult_lt_0_compat; [exact Halpha|]. apply pow2_gt_0, He.
Qed.

(* The shared initialisation is needed: the inits (0, 1) and (0, -1) have the same output and the same trait
   loss, yet the student that starts at the second moves against the teacher of the first, and its trait loss
   rises. *)
Theorem shared_initialisation_needed :
  let F := fun th : vec => th 0%nat * th 1%nat in
  let LT := fun th : vec => (th 0%nat - 1) ^ 2 / 2 in
  let th0 := vec2 0 1 in
  let thS := vec2 0 (-1) in
  let u := gstep LT th0 in
  let v := step1_from F thS th0 u in
  F thS = F th0 /\ LT thS = LT th0 /\
  forall e alpha, 0 < e -> 0 < alpha -> dot 2 (v e) u < 0 /\ LT thS < LT (moved thS alpha (v e)).
Proof.
  intros F LT th0 thS u v.
  assert (HF : has_grad 2 F thS (vec2 (-1) 0)) by (unfold F, thS; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 0)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = 0) by (unfold u; gval HT).
  split; [unfold F, th0, thS; cbn [vec2]; ring|]. split; [reflexivity|].
  intros e alpha He Halpha.
  assert (V0 : v e 0%nat = - e).
  { unfold v. sval HF. unfold F, teacher. rewrite U0, U1. unfold th0, thS. cbn [vec2]. ring. }
  assert (V1 : v e 1%nat = 0) by (unfold v; sval HF; cbn [vec2]; ring).
  assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
  unfold dot, LT, moved. cbn [rsum]. rewrite V0, V1, U0, U1. unfold thS. cbn [vec2]. split; nra.
Qed.

(* The student may take a second step on the same labels. *)
Definition step1_twice (F : vec -> R) (th0 u : vec) (alpha e : R) : vec :=
  let th1 := moved th0 alpha (step1 F th0 u e) in moved th1 alpha (step1_from F th1 th0 u e).

(* The dichotomy does not survive a second step: the displacement is orthogonal to u after one step for every
   e; after two steps its inner product with u is negative and the trait loss is above its start, for every
   e <> 0. *)
Theorem second_step_breaks_dichotomy :
  let F := fun th : vec => th 1%nat + th 0%nat ^ 2 - th 0%nat * th 1%nat in
  let LT := fun th : vec => - th 0%nat in
  let th0 := vec2 0 0 in
  let u := gstep LT th0 in
  (forall e, dot 2 (step1 F th0 u e) u = 0) /\
  (forall e alpha, e <> 0 -> 0 < alpha < 1 ->
     dot 2 (vsub (step1_twice F th0 u alpha e) th0) u < 0 /\ LT th0 < LT (step1_twice F th0 u alpha e)).
Proof.
  intros F LT th0 u.
  assert (HF : has_grad 2 F th0 (vec2 0 1)) by (unfold F, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 0)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = 0) by (unfold u; gval HT).
  assert (D : forall e, F (teacher th0 u e) = e ^ 2).
  { intros e. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (V0 : forall e, step1 F th0 u e 0%nat = 0) by (intros e; sval HF; cbn [vec2]; ring).
  assert (V1 : forall e, step1 F th0 u e 1%nat = e ^ 2).
  { intros e. sval HF. rewrite D. unfold F, th0. cbn [vec2]. ring. }
  split; [intros e; unfold dot; cbn [rsum]; rewrite V0, V1, U1; ring|].
  intros e alpha He [Ha0 Ha1]. unfold step1_twice. set (th1 := moved th0 alpha (step1 F th0 u e)).
  assert (T0 : th1 0%nat = 0) by (unfold th1, moved; rewrite V0; unfold th0; cbn [vec2]; ring).
  assert (T1 : th1 1%nat = alpha * e ^ 2) by (unfold th1, moved; rewrite V1; unfold th0; cbn [vec2]; ring).
  assert (HF1 : has_grad 2 F th1 (vec2 (2 * th1 0%nat - th1 1%nat) (1 - th1 0%nat))) by (unfold F; grad_is).
  assert (W0 : step1_from F th1 th0 u e 0%nat = - (alpha * (1 - alpha) * (e ^ 2) ^ 2)).
  { sval HF1. rewrite D. unfold F. cbn [vec2]. rewrite T0, T1. ring. }
  assert (Hp : 0 < alpha * (alpha * (1 - alpha) * (e ^ 2) ^ 2)).
  { assert (He2 := pow2_gt_0 e He). assert (He4 := pow_lt _ 2 He2).
    apply Rmult_lt_0_compat; [lra|]. apply Rmult_lt_0_compat; [|exact He4]. apply Rmult_lt_0_compat; lra. }
  unfold dot, LT, vsub. cbn [rsum]. unfold moved at 1 2 3. rewrite W0, T0, U0, U1. unfold th0. cbn [vec2].
  split; lra.
Qed.

(* alpha times the largest eigenvalue of K must stay below 2: with K = 1 and alpha = 3 one step lowers the
   trait loss and the second step leads past the start to the other side, for every e > 0. *)
Theorem step_size_bound_needed :
  let F := fun th : vec => th 0%nat in
  let LT := fun th : vec => - th 0%nat in
  let th0 := vec1 0 in
  let u := gstep LT th0 in
  forall e, 0 < e ->
    LT (moved th0 3 (step1 F th0 u e)) < LT th0 /\
    dot 1 (vsub (step1_twice F th0 u 3 e) th0) u < 0 /\ LT th0 < LT (step1_twice F th0 u 3 e).
Proof.
  intros F LT th0 u e He.
  assert (HF : forall th, has_grad 1 F th (vec1 1)) by (intros th; unfold F; grad_is).
  assert (HT : has_grad 1 LT th0 (vec1 (-1))) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (D : F (teacher th0 u e) = e) by (unfold F, teacher; rewrite U0; unfold th0; cbn [vec1]; ring).
  assert (V0 : step1 F th0 u e 0%nat = e).
  { rewrite (step1_is 1 _ _ _ _ _ _ (HF th0)), D by lia. unfold F, th0. cbn [vec1]. ring. }
  unfold step1_twice. set (th1 := moved th0 3 (step1 F th0 u e)).
  assert (T0 : th1 0%nat = 3 * e) by (unfold th1, moved; rewrite V0; unfold th0; cbn [vec1]; ring).
  assert (W0 : step1_from F th1 th0 u e 0%nat = - 2 * e).
  { rewrite (step1_from_is 1 _ _ _ _ _ _ _ (HF th1)), D by lia. unfold F. cbn [vec1]. rewrite T0. ring. }
  unfold dot, LT, vsub. cbn [rsum]. rewrite T0. unfold moved. rewrite W0, T0, U0. unfold th0. cbn [vec1].
  repeat split; lra.
Qed.

(* A kink: f th = relu th - th / 2 at 0. The backward pass uses relu'(0) = 0; it is right at every other
   point. There the step is - e / 4 for the direction u = 1, and the trait loss LT th = - th rises, for every
   e > 0. *)
Theorem kink_breaks_alignment :
  let relu := fun x => Rmax 0 x in
  let drelu := fun x => if Rlt_dec 0 x then 1 else 0 in
  let f := fun th => relu th - th / 2 in
  let df := fun th => drelu th - / 2 in
  let LT := fun th => - th in
  let v := fun e => (f (0 + e * 1) - f 0) * df 0 in
  (forall th, th <> 0 -> is_derive f th (df th)) /\
  (forall e alpha, 0 < e -> 0 < alpha -> v e * 1 = - (e / 4) /\ LT 0 < LT (0 + alpha * v e)).
Proof.
  intros relu drelu f df LT v. split.
  - intros th Hth. unfold df, drelu. destruct (Rlt_dec 0 th) as [Hpos|Hneg].
    + apply (is_derive_ext_loc (fun x => x * (1 - / 2))).
      * exists (mkposreal th Hpos). intros x Hx. apply (Rabs_def2 (x + - th) th) in Hx.
        assert (E : x * (1 - / 2) = Rmax 0 x - x / 2); [|exact E]. rewrite Rmax_right by lra. field.
      * auto_derive; [exact I|ring].
    + assert (Hth' : 0 < - th) by lra.
      apply (is_derive_ext_loc (fun x => x * (0 - / 2))).
      * exists (mkposreal (- th) Hth'). intros x Hx. apply (Rabs_def2 (x + - th) (- th)) in Hx.
        assert (E : x * (0 - / 2) = Rmax 0 x - x / 2); [|exact E]. rewrite Rmax_left by lra. field.
      * auto_derive; [exact I|ring].
  - intros e alpha He Halpha.
    assert (V : v e = - (e / 4)).
    { unfold v, f, relu, df, drelu. rewrite (Rmax_right 0 (0 + e * 1)) by lra. rewrite (Rmax_left 0 0) by lra.
      destruct (Rlt_dec 0 0) as [Hc|_]; [lra|field]. }
    assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
    unfold LT. rewrite V. split; lra.
Qed.

(* Small e is needed, and how small depends on the network: for the network sin(c th) at 0 with direction
   u = 1 the alignment is c sin(c e), negative for pi/c < e < 2 pi/c, where the trait loss rises too; so no
   e > 0 is small enough for all networks. *)
Theorem small_e_needed :
  let F := fun (c : R) (th : vec) => sin (c * th 0%nat) in
  let LT := fun th : vec => - th 0%nat in
  let th0 := vec1 0 in
  let u := gstep LT th0 in
  let v := fun c => step1 (F c) th0 u in
  (forall c e, dot 1 (v c e) u = c * sin (c * e)) /\
  (forall c e alpha, 0 < c -> PI / c < e < 2 * PI / c -> 0 < alpha ->
     dot 1 (v c e) u < 0 /\ LT th0 < LT (moved th0 alpha (v c e))) /\
  (forall e, 0 < e -> exists c, 0 < c /\ dot 1 (v c e) u < 0).
Proof.
  intros F LT th0 u v.
  assert (HF : forall c, has_grad 1 (F c) th0 (vec1 c)).
  { intros c. unfold F. apply (has_grad_ext_grad _ _ _ (fun j => 1 * (0 * th0 0%nat + c * delta 0 j))).
    - apply (has_grad_comp1 1 sin 1 (fun th => c * th 0%nat)).
      + unfold th0. cbn [vec1]. rewrite Rmult_0_r. apply is_derive_Reals, derivable_pt_lim_sin_0.
      + poly_grad.
    - coords. calc. }
  assert (HT : has_grad 1 LT th0 (vec1 (-1))) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (V0 : forall c e, v c e 0%nat = c * sin (c * e)).
  { intros c e. unfold v. rewrite (step1_is 1 _ _ _ _ _ _ (HF c)) by lia. unfold F, teacher.
    rewrite U0. unfold th0. cbn [vec1]. rewrite Rmult_0_r, sin_0.
    replace (c * (0 + e * 1)) with (c * e) by ring. ring. }
  assert (D : forall c e, dot 1 (v c e) u = c * sin (c * e)).
  { intros c e. unfold dot. cbn [rsum]. rewrite V0, U0. ring. }
  assert (N : forall c e, 0 < c -> PI / c < e < 2 * PI / c -> c * sin (c * e) < 0).
  { intros c e Hc [He1 He2]. apply (Rmult_lt_compat_l c) in He1, He2; try exact Hc.
    replace (c * (PI / c)) with PI in He1 by (field; lra).
    replace (c * (2 * PI / c)) with (2 * PI) in He2 by (field; lra).
    assert (Hs := sin_lt_0 _ He1 He2). nra. }
  split; [exact D|]. split.
  - intros c e alpha Hc He Halpha. assert (Hn := N c e Hc He). split; [rewrite D; exact Hn|].
    unfold LT, moved. rewrite V0. unfold th0. cbn [vec1]. nra.
  - intros e He. assert (Hpi := PI_RGT_0). exists (3 / 2 * PI / e).
    assert (Hc : 0 < 3 / 2 * PI / e) by (apply Rdiv_lt_0_compat; lra).
    split; [exact Hc|]. rewrite D. apply N; [exact Hc|].
    replace (PI / (3 / 2 * PI / e)) with (2 / 3 * e) by (field; lra).
    replace (2 * PI / (3 / 2 * PI / e)) with (4 / 3 * e) by (field; lra). lra.
Qed.

(* The teacher must have moved along the gradient: here u = (1, -2) = - H^-1 grad LT(0) leads to the minimum
   of the quadratic LT with Hessian H = diag(10, 1). The alignment is positive, and the trait loss rises. *)
Theorem converged_teacher :
  let F := fun th : vec => th 0%nat + th 1%nat in
  let LT := fun th : vec => (10 * (th 0%nat - 1) ^ 2 + (th 1%nat + 2) ^ 2) / 2 in
  let th0 := vec2 0 0 in
  let u := vec2 1 (-2) in
  let v := step1 F th0 u in
  (forall j, (j < 2)%nat -> u j = vec2 (/ 10) 1 j * gstep LT th0 j) /\
  (forall th, LT (teacher th0 u 1) <= LT th) /\
  forall e alpha, 0 < e -> 0 < alpha -> 0 < dot 2 (v e) u /\ LT th0 < LT (moved th0 alpha (v e)).
Proof.
  intros F LT th0 u v.
  assert (HF : has_grad 2 F th0 (vec2 1 1)) by (unfold F, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-10) 2)) by (unfold LT, th0; grad_is).
  split; [|split].
  - unfold u. coords; rewrite (gstep_is 2 _ _ _ _ HT) by lia; cbn [vec2]; lra.
  - intros th. unfold LT, teacher, th0, u. cbn [vec2].
    assert (H0 := pow2_ge_0 (th 0%nat - 1)). assert (H1 := pow2_ge_0 (th 1%nat + 2)). lra.
  - intros e alpha He Halpha.
    assert (V0 : v e 0%nat = - e) by (unfold v; sval HF; unfold F, teacher, th0, u; cbn [vec2]; ring).
    assert (V1 : v e 1%nat = - e) by (unfold v; sval HF; unfold F, teacher, th0, u; cbn [vec2]; ring).
    assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
    unfold dot, LT, moved. cbn [rsum]. rewrite V0, V1. unfold th0, u. cbn [vec2]. split; nra.
Qed.

(* The student moves along the sign of its step (first step of Adam): the step has a positive inner product
   with u, its sign a negative one, and the trait loss rises. *)
Theorem sign_step :
  let F := fun th : vec => th 0%nat + th 1%nat / 10 in
  let LT := fun th : vec => - th 0%nat + 2 * th 1%nat in
  let th0 := vec2 0 0 in
  let u := gstep LT th0 in
  let v := step1 F th0 u in
  let s := fun e j => sign (v e j) in
  forall e alpha, 0 < e -> 0 < alpha ->
    0 < dot 2 (v e) u /\ dot 2 (s e) u < 0 /\ LT th0 < LT (moved th0 alpha (s e)).
Proof.
  intros F LT th0 u v s e alpha He Halpha.
  assert (HF : has_grad 2 F th0 (vec2 1 (/ 10))) by (unfold F, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 2)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = - 2) by (unfold u; gval HT).
  assert (V0 : v e 0%nat = 4 / 5 * e).
  { unfold v. sval HF. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. field. }
  assert (V1 : v e 1%nat = 2 / 25 * e).
  { unfold v. sval HF. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. field. }
  assert (S0 : s e 0%nat = 1) by (unfold s; rewrite V0; apply sign_eq_1; lra).
  assert (S1 : s e 1%nat = 1) by (unfold s; rewrite V1; apply sign_eq_1; lra).
  unfold dot, LT, moved. cbn [rsum]. rewrite S0, S1, V0, V1, U0, U1. unfold th0. cbn [vec2].
  repeat split; lra.
Qed.

(* Teacher and student both move along signs: the same optimiser on both sides does not help. *)
Theorem sign_step_both :
  let F := fun th : vec => 3 * th 0%nat + th 1%nat + th 2%nat in
  let LT := fun th : vec => - th 0%nat + th 1%nat + th 2%nat in
  let th0 := vec3 0 0 0 in
  let u := fun j => sign (gstep LT th0 j) in
  let v := step1 F th0 u in
  let s := fun e j => sign (v e j) in
  forall e alpha, 0 < e -> 0 < alpha ->
    0 < dot 3 (v e) u /\ dot 3 (s e) u < 0 /\ LT th0 < LT (moved th0 alpha (s e)).
Proof.
  intros F LT th0 u v s e alpha He Halpha.
  assert (HF : has_grad 3 F th0 (vec3 3 1 1)) by (unfold F, th0; grad_is).
  assert (HT : has_grad 3 LT th0 (vec3 (-1) 1 1)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1).
  { unfold u. rewrite (gstep_is _ _ _ _ _ HT) by lia. cbn [vec3]. apply sign_eq_1. lra. }
  assert (U1 : u 1%nat = -1).
  { unfold u. rewrite (gstep_is _ _ _ _ _ HT) by lia. cbn [vec3]. apply sign_eq_m1. lra. }
  assert (U2 : u 2%nat = -1).
  { unfold u. rewrite (gstep_is _ _ _ _ _ HT) by lia. cbn [vec3]. apply sign_eq_m1. lra. }
  assert (D : F (teacher th0 u e) - F th0 = e).
  { unfold F, teacher. rewrite U0, U1, U2. unfold th0. cbn [vec3]. ring. }
  assert (V0 : v e 0%nat = 3 * e) by (unfold v; sval HF; rewrite D; cbn [vec3]; ring).
  assert (V1 : v e 1%nat = e) by (unfold v; sval HF; rewrite D; cbn [vec3]; ring).
  assert (V2 : v e 2%nat = e) by (unfold v; sval HF; rewrite D; cbn [vec3]; ring).
  assert (S0 : s e 0%nat = 1) by (unfold s; rewrite V0; apply sign_eq_1; lra).
  assert (S1 : s e 1%nat = 1) by (unfold s; rewrite V1; apply sign_eq_1; lra).
  assert (S2 : s e 2%nat = 1) by (unfold s; rewrite V2; apply sign_eq_1; lra).
  unfold dot, LT, moved. cbn [rsum]. rewrite S0, S1, S2, V0, V1, V2, U0, U1, U2. unfold th0. cbn [vec3].
  repeat split; lra.
Qed.

(* The teacher moved all parameters, the student may move only the first: the alignment of the allowed part of
   its step is negative (that of the whole step is positive), and the trait loss rises. *)
Theorem frozen_parameter :
  let F := fun th : vec => th 0%nat + th 1%nat in
  let LT := fun th : vec => - th 0%nat + 2 * th 1%nat in
  let th0 := vec2 0 0 in
  let u := gstep LT th0 in
  let v := step1 F th0 u in
  let allowed := fun h : vec => vec2 (h 0%nat) 0 in
  forall e alpha, 0 < e -> 0 < alpha ->
    0 < dot 2 (v e) u /\ dot 2 (allowed (v e)) u < 0 /\ LT th0 < LT (moved th0 alpha (allowed (v e))).
Proof.
  intros F LT th0 u v allowed e alpha He Halpha.
  assert (HF : has_grad 2 F th0 (vec2 1 1)) by (unfold F, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 2)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (U1 : u 1%nat = - 2) by (unfold u; gval HT).
  assert (V0 : v e 0%nat = - e).
  { unfold v. sval HF. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (V1 : v e 1%nat = - e).
  { unfold v. sval HF. unfold F, teacher. rewrite U0, U1. unfold th0. cbn [vec2]. ring. }
  assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
  unfold dot, LT, moved, allowed. cbn [rsum vec2]. rewrite V0, V1, U0, U1. unfold th0. cbn [vec2].
  repeat split; lra.
Qed.
